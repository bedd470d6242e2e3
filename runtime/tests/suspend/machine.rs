//! A program in an engine: called to its end, or suspended at every point and carried over to a fresh instance each time.

use std::collections::BTreeMap;

use delay::process::snapshot::{ModuleHash, Snapshot, SnapshotLimits, Value};
use delay::process::suspend;
use wasmi::{
    Config, Engine, Error, Extern, Func, Global, Instance, Linker, Module, Mutability, Nullable, Ref,
    RefType, Store, StoreLimits, StoreLimitsBuilder, Val, ValType,
};

use crate::imports::define;

/// Enough for every test that ends, little enough that the others do not take long.
const FUEL: u64 = 20_000_000;

/// What the transform adds to that.
const MORE_FUEL: u64 = 20;

/// After so many suspensions the program is left to run on.
const MOST_SUSPENSIONS: usize = 300;

/// The limits of memories and tables, the same for the original and for the transformed program.
const MOST_MEMORY: usize = 4 << 20;
const MOST_ELEMENTS: usize = 20_000;

/// What the host keeps: it outlives the instances of its program.
pub(crate) struct Host {
    limits: StoreLimits,
    /// The calls of the host, in order.
    pub(crate) log: Vec<String>,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Values(Vec<String>),
    Trap(String),
    /// It took too long, or too deep a stack: nothing can be compared.
    Exhausted,
}

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As it is.
    Through,
    /// Suspended at every point, and resumed in a fresh instance.
    Suspended,
}

pub(crate) struct Program {
    module: Module,
    hash: ModuleHash,
    transformed: bool,
}

pub(crate) struct Machine {
    store: Store<Host>,
    instance: Instance,
    pub(crate) suspensions: usize,
}

/// What can be seen of an instance: by names, so that two kinds of instances can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct State {
    pub(crate) globals: BTreeMap<String, Value>,
    pub(crate) memories: BTreeMap<String, Vec<u8>>,
    pub(crate) tables: BTreeMap<String, Vec<Option<u32>>>,
}

impl Program {
    /// Compiles the original.
    pub(crate) fn original(wasm: &[u8]) -> Result<Self, Error> {
        Ok(Self { module: Module::new(&engine(1), wasm)?, hash: ModuleHash::of(wasm), transformed: false })
    }

    /// Compiles a transformed module. Its frames are larger, so its stack is.
    pub(crate) fn transformed(wasm: &[u8]) -> Self {
        let module = Module::new(&engine(16), wasm).expect("a transformed module is valid");
        Self { module, hash: ModuleHash::of(wasm), transformed: true }
    }

    /// An instance. The original's start function has run, that of a transformed program has not.
    pub(crate) fn instance(&self, log: Vec<String>) -> Result<Machine, Error> {
        let limits = StoreLimitsBuilder::new().memory_size(MOST_MEMORY).table_elements(MOST_ELEMENTS).build();
        let mut store = Store::new(self.module.engine(), Host { limits, log });
        store.limiter(|host| &mut host.limits);
        store.set_fuel(FUEL)?;
        let mut linker = Linker::new(self.module.engine());
        for import in self.module.imports() {
            define(&mut linker, &mut store, import.module(), import.name(), import.ty())?;
        }
        let instance = linker.instantiate_and_start(&mut store, &self.module)?;
        Ok(Machine { store, instance, suspensions: 0 })
    }

    /// An instance whose start function has run.
    pub(crate) fn started(&self, mode: Mode) -> Result<Machine, Error> {
        let mut machine = self.instance(Vec::new())?;
        if self.transformed
            && machine.has(suspend::START)
            && let outcome @ (Outcome::Trap(_) | Outcome::Exhausted) =
                self.call(&mut machine, suspend::START, &[], mode)
        {
            return Err(Error::new(format!("{outcome:?}")));
        }
        Ok(machine)
    }

    pub(crate) fn exported_functions(&self) -> Vec<(String, Vec<ValType>)> {
        let functions = self.module.exports().filter_map(|export| {
            let ty = export.ty().func()?;
            Some((export.name().to_owned(), ty.params().to_vec()))
        });
        functions.filter(|(name, _)| !name.starts_with(suspend::PREFIX)).collect()
    }

    /// Calls a function and suspends it at its first point. It had one, and the call did not end.
    pub(crate) fn suspend(&self, machine: &mut Machine, name: &str, arguments: &[Val]) -> Snapshot {
        machine.set(suspend::STATE, Val::I32(suspend::STATE_ASKED));
        machine.call_once(name, arguments, FUEL);
        assert_ne!(machine.i32(suspend::STATE) & suspend::STATE_UNWINDING, 0, "it was not suspended");
        machine.snapshot(self.hash, name)
    }

    /// Resumes a program and runs it to its end.
    pub(crate) fn resume(&self, snapshot: &Snapshot, arguments: &[Val]) -> Outcome {
        let mut machine = self.instance(Vec::new()).expect("a fresh instance");
        machine.restore(snapshot);
        machine.set(suspend::STATE, Val::I32(suspend::STATE_REWINDING));
        machine.call_once(&snapshot.function, arguments, FUEL)
    }

    pub(crate) fn call(&self, machine: &mut Machine, name: &str, arguments: &[Val], mode: Mode) -> Outcome {
        if !self.transformed {
            return machine.call_once(name, arguments, FUEL);
        }
        let mut arguments = arguments.to_vec();
        let mut state = if mode == Mode::Suspended { suspend::STATE_ASKED } else { suspend::STATE_RUNNING };
        machine.set(suspend::DEPTH, Val::I32(0));
        for suspensions in 1.. {
            machine.set(suspend::STATE, Val::I32(state));
            let outcome = machine.call_once(name, &arguments, FUEL * MORE_FUEL);
            if machine.i32(suspend::STATE) & suspend::STATE_UNWINDING == 0 || outcome == Outcome::Exhausted {
                if let Outcome::Values(_) = outcome {
                    assert_eq!(machine.i32(suspend::DEPTH), 0, "frames are left");
                }
                return outcome;
            }
            assert!(!matches!(outcome, Outcome::Trap(_)), "{name}: {outcome:?} while it unwinds");
            machine.suspensions += 1;
            let mut fresh =
                self.instance(std::mem::take(&mut machine.store.data_mut().log)).expect("a fresh instance");
            // As bytes in between: what is not in them is lost.
            let snapshot = machine.snapshot(self.hash, name);
            let bytes = snapshot.encode(SnapshotLimits::default()).expect("it is small");
            fresh.restore(
                &Snapshot::decode(&bytes, self.hash, SnapshotLimits::default()).expect("it was just written"),
            );
            fresh.suspensions = machine.suspensions;
            *machine = fresh;
            state = suspend::STATE_REWINDING;
            if suspensions < MOST_SUSPENSIONS {
                state |= suspend::STATE_ASKED;
            }
            for argument in &mut arguments {
                *argument = Val::default_for_ty(argument.ty());
            }
        }
        unreachable!()
    }
}

impl Machine {
    fn has(&self, name: &str) -> bool {
        self.instance.get_export(&self.store, name).is_some()
    }

    fn global(&self, name: &str) -> Global {
        self.instance.get_global(&self.store, name).unwrap_or_else(|| panic!("the global {name}"))
    }

    fn i32(&self, name: &str) -> i32 {
        self.global(name).get(&self.store).i32().unwrap()
    }

    fn set(&mut self, name: &str, value: Val) {
        self.global(name).set(&mut self.store, value).unwrap();
    }

    pub(crate) fn log(&self) -> &[String] {
        &self.store.data().log
    }

    fn call_once(&mut self, name: &str, arguments: &[Val], fuel: u64) -> Outcome {
        let Some(function) = self.instance.get_func(&self.store, name) else {
            return Outcome::Trap("no such function".into());
        };
        self.store.set_fuel(fuel).unwrap();
        let ty = function.ty(&self.store);
        let mut results: Vec<Val> = ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
        match function.call(&mut self.store, arguments, &mut results) {
            Ok(()) => Outcome::Values(results.iter().map(shown).collect()),
            Err(error) => match error.as_trap_code() {
                Some(wasmi::TrapCode::OutOfFuel | wasmi::TrapCode::StackOverflow) => Outcome::Exhausted,
                Some(code) => Outcome::Trap(format!("{code:?}")),
                None => Outcome::Trap(error.to_string()),
            },
        }
    }

    /// All that the instance exports. In a transformed one that is all there is.
    pub(crate) fn state(&self) -> State {
        let functions = self.functions();
        let mut state = State::default();
        let exports: Vec<(String, Extern)> = self
            .instance
            .exports(&self.store)
            .map(|export| (export.name().to_owned(), export.into_extern()))
            .collect();
        for (name, item) in exports {
            match item {
                Extern::Global(global) if global.ty(&self.store).mutability() == Mutability::Var => {
                    let value = match global.get(&self.store) {
                        Val::I32(value) => Value::I32(value),
                        Val::I64(value) => Value::I64(value),
                        Val::F32(value) => Value::F32(value.to_bits()),
                        Val::F64(value) => Value::F64(value.to_bits()),
                        Val::V128(value) => Value::V128(value.as_u128()),
                        Val::FuncRef(function) => Value::Function(number(&functions, function.val())),
                        Val::ExternRef(_) => continue,
                    };
                    state.globals.insert(name, value);
                }
                Extern::Memory(memory) => {
                    let mut bytes = memory.data(&self.store).to_vec();
                    if name == suspend::FRAMES {
                        bytes.truncate(self.i32(suspend::DEPTH) as usize);
                    }
                    state.memories.insert(name, bytes);
                }
                Extern::Table(table)
                    if name != suspend::FUNCTIONS && table.ty(&self.store).element() == RefType::Func =>
                {
                    let size = table.size(&self.store);
                    let elements = (0..size).map(|index| match table.get(&self.store, index) {
                        Some(Ref::Func(function)) => number(&functions, function.val()),
                        _ => None,
                    });
                    state.tables.insert(name, elements.collect());
                }
                _ => {}
            }
        }
        state
    }

    /// All that a suspended program is.
    pub(crate) fn snapshot(&self, module: ModuleHash, function: &str) -> Snapshot {
        let mut state = self.state();
        state.globals.retain(|name, _| name.starts_with(suspend::PREFIX));
        state.memories.retain(|name, _| name.starts_with(suspend::PREFIX));
        state.tables.retain(|name, _| name.starts_with(suspend::PREFIX));
        Snapshot {
            module,
            function: function.to_owned(),
            globals: state.globals.into_iter().collect(),
            memories: state.memories.into_iter().collect(),
            tables: state.tables.into_iter().collect(),
        }
    }

    /// The functions to which references can exist, by index.
    fn functions(&self) -> Vec<Option<Func>> {
        let Some(table) = self.instance.get_table(&self.store, suspend::FUNCTIONS) else { return Vec::new() };
        let elements = (0..table.size(&self.store)).map(|index| match table.get(&self.store, index) {
            Some(Ref::Func(Nullable::Val(function))) => Some(function),
            _ => None,
        });
        elements.collect()
    }

    pub(crate) fn restore(&mut self, state: &Snapshot) {
        let functions = self.functions();
        let function = |number: Option<u32>| match number.and_then(|number| functions[number as usize]) {
            Some(function) => Nullable::Val(function),
            None => Nullable::Null,
        };
        for (name, value) in &state.globals {
            let value = match *value {
                Value::I32(value) => Val::I32(value),
                Value::I64(value) => Val::I64(value),
                Value::F32(value) => Val::F32(f32::from_bits(value).into()),
                Value::F64(value) => Val::F64(f64::from_bits(value).into()),
                Value::V128(value) => Val::V128(value.into()),
                Value::Function(number) => Val::FuncRef(function(number)),
            };
            self.set(name, value);
        }
        for (name, bytes) in &state.memories {
            let memory = self.instance.get_memory(&self.store, name).unwrap();
            let missing = (bytes.len().saturating_sub(memory.data_size(&self.store))).div_ceil(65536) as u64;
            memory.grow(&mut self.store, missing).unwrap();
            memory.write(&mut self.store, 0, bytes).unwrap();
        }
        for (name, elements) in &state.tables {
            let table = self.instance.get_table(&self.store, name).unwrap();
            let missing = elements.len() as u64 - table.size(&self.store);
            table.grow(&mut self.store, missing, Ref::Func(Nullable::Null)).unwrap();
            for (index, element) in elements.iter().enumerate() {
                table.set(&mut self.store, index as u64, Ref::Func(function(*element))).unwrap();
            }
        }
        assert!(matches!(self.call_once(suspend::REDROP, &[], FUEL), Outcome::Values(_)));
    }
}

fn number(functions: &[Option<Func>], function: Option<&Func>) -> Option<u32> {
    // Handles have no comparison; what they print is what they are.
    let wanted = format!("{:?}", function?);
    if functions.is_empty() {
        return None;
    }
    let found =
        functions.iter().position(|function| function.is_some_and(|other| format!("{other:?}") == wanted));
    Some(found.expect("a function in a table is one to which a reference can exist") as u32)
}

fn engine(stack: usize) -> Engine {
    let mut config = Config::default();
    config.consume_fuel(true);
    config.wasm_multi_memory(true).wasm_memory64(true).wasm_extended_const(true).wasm_wide_arithmetic(true);
    config.wasm_tail_call(true).wasm_simd(true).wasm_relaxed_simd(true);
    config.set_max_recursion_depth(200 * stack).set_max_stack_height(256 * 1024 * stack);
    Engine::new(&config)
}

/// Values as texts: all kinds of not-a-number are one.
pub(crate) fn shown(value: &Val) -> String {
    match value {
        Val::I32(value) => format!("i32 {value}"),
        Val::I64(value) => format!("i64 {value}"),
        Val::F32(value) if f32::from_bits(value.to_bits()).is_nan() => "f32 nan".into(),
        Val::F32(value) => format!("f32 {:x}", value.to_bits()),
        Val::F64(value) if f64::from_bits(value.to_bits()).is_nan() => "f64 nan".into(),
        Val::F64(value) => format!("f64 {:x}", value.to_bits()),
        Val::V128(value) => format!("v128 {:x}", value.as_u128()),
        Val::FuncRef(value) => format!("function {}", !value.is_null()),
        Val::ExternRef(value) => format!("extern {}", !value.is_null()),
    }
}
