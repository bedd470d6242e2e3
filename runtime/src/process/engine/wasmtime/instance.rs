//! An instance under wasmtime: its imports, its calls, and its state in and out.

use std::collections::HashMap;

use wasmtime::{
    Caller, Extern, ExternType, Func, Global, Linker, Memory, Module, Mutability, Ref, ResourceLimiter,
    Store, StoreContextMut, Table, UpdateDeadline, Val,
};

use super::value::{fault, kind, kinds, plain, val};
use crate::process::control::{Control, Intent};
use crate::process::engine::budget::Budget;
use crate::process::engine::{Caps, Exports, Fault, Host, Import, Instance, Kind};
use crate::process::snapshot::{Snapshot, Value};
use crate::process::suspend;
use crate::process::trap::Trap;

/// What belongs to the instance on the host's side.
struct Data {
    host: Box<dyn Host>,
    budget: Budget,
    control: Control,
    /// The global by which a transformed program is asked.
    state: Option<Global>,
    /// The memory that the host's functions see.
    memory: Option<Memory>,
}

impl ResourceLimiter for Budget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.memory(current, desired, maximum))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.elements(current, desired, maximum))
    }
}

struct Running {
    store: Store<Data>,
    instance: wasmtime::Instance,
    metered: bool,
}

pub(super) fn instantiate(
    module: &Module,
    caps: Caps,
    host: Box<dyn Host>,
    control: Control,
) -> Result<Box<dyn Instance>, Fault> {
    let engine = module.engine();
    let budget = Budget::new(caps, control.clone());
    let waker = engine.clone();
    control.wake_by(move || waker.increment_epoch());
    let mut store = Store::new(engine, Data { host, budget, control, state: None, memory: None });
    store.limiter(|data| &mut data.budget);
    store.epoch_deadline_callback(look);
    store.set_epoch_deadline(1);
    if let Some(fuel) = caps.fuel {
        store.set_fuel(fuel).map_err(|error| fault(&error))?;
    }
    let mut linker = Linker::new(engine);
    for import in module.imports() {
        let ExternType::Func(ty) = import.ty() else {
            let text = format!("it imports `{}.{}`, which is no function", import.module(), import.name());
            return Err(Fault::new(Trap::AbiDeficiency, text));
        };
        let (parameters, results) = (kinds(ty.params()), kinds(ty.results()));
        let named = Import {
            module: import.module(),
            name: import.name(),
            parameters: &parameters,
            results: &results,
        };
        let found = store.data_mut().host.find(&named);
        let number = found.map_err(|text| Fault::new(Trap::AbiDeficiency, text))?;
        let function = Func::new(&mut store, ty, move |caller, arguments, out| {
            call_host(caller, number, arguments, out)
        });
        linker.allow_shadowing(true);
        linker.define(&mut store, import.module(), import.name(), function).map_err(|error| fault(&error))?;
    }
    let instance = match linker.instantiate(&mut store, module) {
        Ok(instance) => instance,
        Err(_) if store.data().budget.refused => {
            return Err(Fault::new(Trap::Killed, "it needs more memory than it may use to begin"));
        }
        Err(error) => return Err(fault(&error)),
    };
    let memory = instance
        .get_memory(&mut store, "memory")
        .or_else(|| instance.get_memory(&mut store, &format!("{}0", suspend::MEMORY)));
    let state = instance.get_global(&mut store, suspend::STATE);
    let data = store.data_mut();
    (data.memory, data.state) = (memory, state);
    Ok(Box::new(Running { store, instance, metered: caps.fuel.is_some() }))
}

/// Called on the program's thread when somebody has raised the epoch, for whichever program it was.
fn look(mut store: StoreContextMut<'_, Data>) -> wasmtime::Result<UpdateDeadline> {
    match store.data().control.intent() {
        Intent::Run => {}
        Intent::Suspend => ask(&mut store)?,
        Intent::Kill => return Err(killed().into()),
    }
    Ok(UpdateDeadline::Continue(1))
}

fn killed() -> Fault {
    Fault::new(Trap::Killed, "")
}

/// Sets the bit that the program looks at.
fn ask(store: &mut StoreContextMut<'_, Data>) -> wasmtime::Result<()> {
    let Some(global) = store.data().state else { return Ok(()) };
    let Val::I32(state) = global.get(&mut *store) else { return Ok(()) };
    if state & suspend::STATE_UNWINDING == 0 {
        global.set(&mut *store, Val::I32(state | suspend::STATE_ASKED))?;
    }
    Ok(())
}

fn call_host(
    mut caller: Caller<'_, Data>,
    number: u32,
    arguments: &[Val],
    out: &mut [Val],
) -> wasmtime::Result<()> {
    let arguments: Vec<Value> =
        arguments.iter().map(|value| plain(value).unwrap_or(Value::Function(None))).collect();
    let mut results: Vec<Value> =
        out.iter().map(|value| plain(value).unwrap_or(Value::Function(None))).collect();
    let (memory, data): (&mut [u8], &mut Data) = match caller.data().memory {
        Some(memory) => memory.data_and_store_mut(&mut caller),
        None => (&mut [], caller.data_mut()),
    };
    data.host.call(number, memory, &arguments, &mut results)?;
    for (out, value) in out.iter_mut().zip(results) {
        *out = val(value);
    }
    Ok(())
}

impl Running {
    /// The functions that references can lead to, by what the engine knows them by.
    fn numbers(&mut self) -> HashMap<usize, u32> {
        let mut numbers = HashMap::new();
        for (index, function) in self.functions().into_iter().enumerate() {
            if let Some(function) = function {
                numbers.insert(function.to_raw(&mut self.store).addr(), index as u32);
            }
        }
        numbers
    }

    fn functions(&mut self) -> Vec<Option<Func>> {
        let Some(table) = self.instance.get_table(&mut self.store, suspend::FUNCTIONS) else {
            return Vec::new();
        };
        let size = table.size(&self.store);
        (0..size)
            .map(|index| match table.get(&mut self.store, index) {
                Some(Ref::Func(function)) => function,
                _ => None,
            })
            .collect()
    }

    fn number(
        &mut self,
        numbers: &HashMap<usize, u32>,
        function: Option<Func>,
    ) -> Result<Option<u32>, Fault> {
        let Some(function) = function else { return Ok(None) };
        // A module that was not transformed numbers nothing.
        if numbers.is_empty() {
            return Ok(None);
        }
        let raw = function.to_raw(&mut self.store).addr();
        numbers.get(&raw).copied().map(Some).ok_or_else(|| {
            Fault::new(Trap::InternalError, "a reference leads to a function that has no number")
        })
    }

    fn elements(&mut self, numbers: &HashMap<usize, u32>, table: Table) -> Result<Vec<Option<u32>>, Fault> {
        (0..table.size(&self.store))
            .map(|index| match table.get(&mut self.store, index) {
                Some(Ref::Func(function)) => self.number(numbers, function),
                _ => Ok(None),
            })
            .collect()
    }
}

impl Instance for Running {
    fn call(&mut self, function: &str, arguments: &[Value]) -> Result<Vec<Value>, Fault> {
        let Some(func) = self.instance.get_func(&mut self.store, function) else {
            return Err(Fault::new(Trap::NoFunction, format!("it exports no function `{function}`")));
        };
        let ty = func.ty(&self.store);
        let arguments: Vec<Val> = arguments.iter().map(|value| val(*value)).collect();
        let mut results: Vec<Val> = ty.results().map(|ty| val(kind(&ty).zero())).collect();
        // In this order: who asks from here on raises the epoch above the deadline, who asked before is heard here.
        self.store.set_epoch_deadline(1);
        match self.store.data().control.intent() {
            Intent::Run => {}
            Intent::Suspend => {
                ask(&mut wasmtime::AsContextMut::as_context_mut(&mut self.store))
                    .map_err(|error| fault(&error))?;
            }
            Intent::Kill => return Err(killed()),
        }
        func.call(&mut self.store, &arguments, &mut results).map_err(|error| fault(&error))?;
        Ok(results.iter().map(|value| plain(value).unwrap_or(Value::Function(None))).collect())
    }

    fn signature(&mut self, function: &str) -> Option<(Vec<Kind>, Vec<Kind>)> {
        let ty = self.instance.get_func(&mut self.store, function)?.ty(&self.store);
        Some((kinds(ty.params()), kinds(ty.results())))
    }

    fn global(&mut self, name: &str) -> Option<Value> {
        let global = self.instance.get_global(&mut self.store, name)?;
        plain(&global.get(&mut self.store))
    }

    fn set_global(&mut self, name: &str, value: Value) -> Result<(), Fault> {
        let functions = if matches!(value, Value::Function(Some(_))) { self.functions() } else { Vec::new() };
        let value = reference(&functions, value)?;
        let global = self.instance.get_global(&mut self.store, name).ok_or_else(|| foreign(name))?;
        global.set(&mut self.store, value).map_err(|_| foreign(name))
    }

    fn exports(&mut self) -> Result<Exports, Fault> {
        let numbers = self.numbers();
        let mut exports = Exports::default();
        let items: Vec<(String, Extern)> = self
            .instance
            .exports(&mut self.store)
            .map(|export| (export.name().to_owned(), export.into_extern()))
            .collect();
        for (name, item) in items {
            match item {
                Extern::Global(global) if global.ty(&self.store).mutability() == Mutability::Var => {
                    let value = match global.get(&mut self.store) {
                        Val::FuncRef(function) => Value::Function(self.number(&numbers, function)?),
                        value => match plain(&value) {
                            Some(value) => value,
                            None => continue,
                        },
                    };
                    exports.globals.push((name, value));
                }
                Extern::Memory(memory) => {
                    let depth = match self.global(suspend::DEPTH) {
                        Some(Value::I32(depth)) if name == suspend::FRAMES => depth as u32 as usize,
                        _ => usize::MAX,
                    };
                    let bytes = memory.data(&self.store);
                    exports.memories.push((name, bytes[..bytes.len().min(depth)].to_vec()));
                }
                Extern::Table(table)
                    if name != suspend::FUNCTIONS
                        && table.ty(&self.store).element().heap_type().is_func() =>
                {
                    let elements = self.elements(&numbers, table)?;
                    exports.tables.push((name, elements));
                }
                _ => {}
            }
        }
        Ok(exports)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), Fault> {
        self.store.data_mut().budget.restoring = true;
        let functions = self.functions();
        for (name, value) in &snapshot.globals {
            let value = reference(&functions, *value)?;
            let global = self.instance.get_global(&mut self.store, name).ok_or_else(|| foreign(name))?;
            global.set(&mut self.store, value).map_err(|_| foreign(name))?;
        }
        for (name, bytes) in &snapshot.memories {
            let memory = self.instance.get_memory(&mut self.store, name).ok_or_else(|| foreign(name))?;
            let missing = bytes.len().saturating_sub(memory.data_size(&self.store));
            memory.grow(&mut self.store, missing.div_ceil(1 << 16) as u64).map_err(|_| too_large(name))?;
            memory.data_mut(&mut self.store)[..bytes.len()].copy_from_slice(bytes);
        }
        for (name, elements) in &snapshot.tables {
            let table = self.instance.get_table(&mut self.store, name).ok_or_else(|| foreign(name))?;
            let missing = (elements.len() as u64).saturating_sub(table.size(&self.store));
            table.grow(&mut self.store, missing, Ref::Func(None)).map_err(|_| too_large(name))?;
            for (index, element) in elements.iter().enumerate() {
                let function = match reference(&functions, Value::Function(*element))? {
                    Val::FuncRef(function) => function,
                    _ => None,
                };
                table.set(&mut self.store, index as u64, Ref::Func(function)).map_err(|_| foreign(name))?;
            }
        }
        self.store.data_mut().budget.restoring = false;
        self.call(suspend::REDROP, &[]).map(drop)
    }

    fn fuel(&mut self) -> Option<u64> {
        self.store.get_fuel().ok().filter(|_| self.metered)
    }
}

/// The engine's value, references looked up.
fn reference(functions: &[Option<Func>], value: Value) -> Result<Val, Fault> {
    let Value::Function(Some(number)) = value else { return Ok(val(value)) };
    let function = functions.get(number as usize).copied().flatten();
    function.map(|function| Val::FuncRef(Some(function))).ok_or_else(|| {
        Fault::new(Trap::AbiViolation, format!("the snapshot names function {number}, and there is none"))
    })
}

fn foreign(name: &str) -> Fault {
    Fault::new(Trap::AbiViolation, format!("the snapshot does not fit the module: `{name}`"))
}

fn too_large(name: &str) -> Fault {
    Fault::new(Trap::Killed, format!("the snapshot needs more memory than the program may use: `{name}`"))
}
