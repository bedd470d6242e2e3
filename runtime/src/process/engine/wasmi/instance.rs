//! An instance under wasmi: its imports, its calls in slices, and its state in and out.

use std::collections::HashMap;

use wasmi::errors::{MemoryError, TableError};
use wasmi::{
    Caller, Extern, ExternType, Func, Linker, Memory, Module, Mutability, Nullable, Ref, RefType,
    ResourceLimiter, ResumableCall, Store, Table, Val,
};
use wasmi_core::LimiterError;

use super::slices::Slices;
use super::value::{Passing, fault, kinds, plain, val};
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
    /// The memory that the host's functions see.
    memory: Option<Memory>,
}

impl ResourceLimiter for Budget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        Ok(self.memory(current, desired, maximum))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        Ok(self.elements(current, desired, maximum))
    }

    /// Out of fuel, too: then the growth is asked for again with the next slice.
    fn memory_grow_failed(&mut self, _: &MemoryError) -> Result<(), LimiterError> {
        self.undo();
        Ok(())
    }

    fn table_grow_failed(&mut self, _: &TableError) -> Result<(), LimiterError> {
        self.undo();
        Ok(())
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1_000
    }

    fn memories(&self) -> usize {
        100
    }
}

struct Running {
    store: Store<Data>,
    instance: wasmi::Instance,
    control: Control,
    slices: Slices,
}

pub(super) fn instantiate(
    module: &Module,
    caps: Caps,
    host: Box<dyn Host>,
    control: Control,
) -> Result<Box<dyn Instance>, Fault> {
    let budget = Budget::new(caps, control.clone());
    let mut store = Store::new(module.engine(), Data { host, budget, memory: None });
    store.limiter(|data| &mut data.budget);
    let mut slices = Slices::new(caps.fuel);
    store.set_fuel(slices.start()).map_err(|error| fault(&error))?;
    let mut linker = Linker::new(module.engine());
    linker.allow_shadowing(true);
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
        let zeros: Vec<Value> = results.iter().map(|kind| kind.zero()).collect();
        let function = Func::new(&mut store, ty.clone(), move |caller, arguments, out| {
            call_host(caller, number, arguments, &zeros, out)
        });
        linker.define(import.module(), import.name(), function).map_err(|error| fault(&error.into()))?;
    }
    let instance = match linker.instantiate_and_start(&mut store, module) {
        Ok(instance) => instance,
        Err(_) if store.data().budget.refused => {
            return Err(Fault::new(Trap::Killed, "it needs more memory than it may use to begin"));
        }
        Err(error) => return Err(fault(&error)),
    };
    let first = format!("{}0", suspend::MEMORY);
    let memory = ["memory", &first].into_iter().find_map(|name| instance.get_memory(&store, name));
    store.data_mut().memory = memory;
    Ok(Box::new(Running { store, instance, control, slices }))
}

fn call_host(
    mut caller: Caller<'_, Data>,
    number: u32,
    arguments: &[Val],
    zeros: &[Value],
    out: &mut [Val],
) -> Result<(), wasmi::Error> {
    let arguments: Vec<Value> =
        arguments.iter().map(|value| plain(value).unwrap_or(Value::Function(None))).collect();
    let mut results = zeros.to_vec();
    let (memory, data): (&mut [u8], &mut Data) = match caller.data().memory {
        Some(memory) => memory.data_and_store_mut(&mut caller),
        None => (&mut [], caller.data_mut()),
    };
    let called = data.host.call(number, memory, &arguments, &mut results);
    called.map_err(|fault| wasmi::Error::host(Passing(fault)))?;
    for (out, value) in out.iter_mut().zip(results) {
        *out = val(value);
    }
    Ok(())
}

impl Running {
    fn unused(&self) -> u64 {
        self.store.get_fuel().unwrap_or(0)
    }

    /// Sets the bit that the program looks at, or ends it.
    fn look(&mut self) -> Result<(), Fault> {
        match self.control.intent() {
            Intent::Run => {}
            Intent::Suspend => {
                if let Some(global) = self.instance.get_global(&self.store, suspend::STATE)
                    && let Val::I32(state) = global.get(&self.store)
                    && state & suspend::STATE_UNWINDING == 0
                {
                    let asked = global.set(&mut self.store, Val::I32(state | suspend::STATE_ASKED));
                    asked.map_err(|error| fault(&error.into()))?;
                }
            }
            Intent::Kill => return Err(Fault::new(Trap::Killed, "")),
        }
        Ok(())
    }

    /// The functions that references can lead to, by what the engine knows them by: handles have no comparison, and what
    /// they print is what they are.
    fn numbers(&self) -> HashMap<String, u32> {
        let functions = self.functions().into_iter().enumerate();
        functions.filter_map(|(index, function)| Some((format!("{:?}", function?), index as u32))).collect()
    }

    fn functions(&self) -> Vec<Option<Func>> {
        let Some(table) = self.instance.get_table(&self.store, suspend::FUNCTIONS) else { return Vec::new() };
        let elements = (0..table.size(&self.store)).map(|index| match table.get(&self.store, index) {
            Some(Ref::Func(Nullable::Val(function))) => Some(function),
            _ => None,
        });
        elements.collect()
    }

    fn elements(&self, numbers: &HashMap<String, u32>, table: Table) -> Result<Vec<Option<u32>>, Fault> {
        let elements = (0..table.size(&self.store)).map(|index| match table.get(&self.store, index) {
            Some(Ref::Func(function)) => number(numbers, function.val()),
            _ => Ok(None),
        });
        elements.collect()
    }
}

impl Instance for Running {
    fn call(&mut self, function: &str, arguments: &[Value]) -> Result<Vec<Value>, Fault> {
        let Some(func) = self.instance.get_func(&self.store, function) else {
            return Err(Fault::new(Trap::NoFunction, format!("it exports no function `{function}`")));
        };
        let ty = func.ty(&self.store);
        let arguments: Vec<Val> = arguments.iter().map(|value| val(*value)).collect();
        let mut results: Vec<Val> = ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
        self.look()?;
        let slice = self.slices.next(0, self.unused())?;
        self.store.set_fuel(slice).map_err(|error| fault(&error))?;
        let mut call =
            func.call_resumable(&mut self.store, &arguments, &mut results).map_err(|error| fault(&error))?;
        loop {
            call = match call {
                ResumableCall::Finished => break,
                ResumableCall::HostTrap(ended) => return Err(fault(ended.host_error())),
                ResumableCall::OutOfFuel(paused) => {
                    self.look()?;
                    let slice = self.slices.next(paused.required_fuel(), self.unused())?;
                    self.store.set_fuel(slice).map_err(|error| fault(&error))?;
                    paused.resume(&mut self.store, &mut results).map_err(|error| fault(&error))?
                }
            };
        }
        Ok(results.iter().map(|value| plain(value).unwrap_or(Value::Function(None))).collect())
    }

    fn signature(&mut self, function: &str) -> Option<(Vec<Kind>, Vec<Kind>)> {
        let ty = self.instance.get_func(&self.store, function)?.ty(&self.store);
        Some((kinds(ty.params()), kinds(ty.results())))
    }

    fn global(&mut self, name: &str) -> Option<Value> {
        plain(&self.instance.get_global(&self.store, name)?.get(&self.store))
    }

    fn set_global(&mut self, name: &str, value: Value) -> Result<(), Fault> {
        let functions = if matches!(value, Value::Function(Some(_))) { self.functions() } else { Vec::new() };
        let value = reference(&functions, value)?;
        let global = self.instance.get_global(&self.store, name).ok_or_else(|| foreign(name))?;
        global.set(&mut self.store, value).map_err(|_| foreign(name))
    }

    fn exports(&mut self) -> Result<Exports, Fault> {
        let numbers = self.numbers();
        let mut exports = Exports::default();
        let items: Vec<(String, Extern)> = self
            .instance
            .exports(&self.store)
            .map(|export| (export.name().to_owned(), export.into_extern()))
            .collect();
        for (name, item) in items {
            match item {
                Extern::Global(global) if global.ty(&self.store).mutability() == Mutability::Var => {
                    let value = match global.get(&self.store) {
                        Val::FuncRef(function) => Value::Function(number(&numbers, function.val())?),
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
                    if name != suspend::FUNCTIONS && table.ty(&self.store).element() == RefType::Func =>
                {
                    exports.tables.push((name, self.elements(&numbers, table)?));
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
            let global = self.instance.get_global(&self.store, name).ok_or_else(|| foreign(name))?;
            global.set(&mut self.store, value).map_err(|_| foreign(name))?;
        }
        for (name, bytes) in &snapshot.memories {
            let memory = self.instance.get_memory(&self.store, name).ok_or_else(|| foreign(name))?;
            let missing = bytes.len().saturating_sub(memory.data_size(&self.store));
            memory.grow(&mut self.store, missing.div_ceil(1 << 16) as u64).map_err(|_| too_large(name))?;
            memory.data_mut(&mut self.store)[..bytes.len()].copy_from_slice(bytes);
        }
        for (name, elements) in &snapshot.tables {
            let table = self.instance.get_table(&self.store, name).ok_or_else(|| foreign(name))?;
            let missing = (elements.len() as u64).saturating_sub(table.size(&self.store));
            let grown = table.grow(&mut self.store, missing, Ref::Func(Nullable::Null));
            grown.map_err(|_| too_large(name))?;
            for (index, element) in elements.iter().enumerate() {
                let function = match reference(&functions, Value::Function(*element))? {
                    Val::FuncRef(function) => function,
                    _ => Nullable::Null,
                };
                table.set(&mut self.store, index as u64, Ref::Func(function)).map_err(|_| foreign(name))?;
            }
        }
        self.store.data_mut().budget.restoring = false;
        self.call(suspend::REDROP, &[]).map(drop)
    }

    fn fuel(&mut self) -> Option<u64> {
        self.slices.left(self.unused())
    }
}

fn number(numbers: &HashMap<String, u32>, function: Option<&Func>) -> Result<Option<u32>, Fault> {
    let Some(function) = function else { return Ok(None) };
    // A module that was not transformed numbers nothing.
    if numbers.is_empty() {
        return Ok(None);
    }
    numbers
        .get(&format!("{function:?}"))
        .copied()
        .map(Some)
        .ok_or_else(|| Fault::new(Trap::InternalError, "a reference leads to a function that has no number"))
}

/// The engine's value, references looked up.
fn reference(functions: &[Option<Func>], value: Value) -> Result<Val, Fault> {
    let Value::Function(Some(number)) = value else { return Ok(val(value)) };
    let function = functions.get(number as usize).copied().flatten();
    function.map(|function| Val::FuncRef(Nullable::Val(function))).ok_or_else(|| {
        Fault::new(Trap::AbiViolation, format!("the snapshot names function {number}, and there is none"))
    })
}

fn foreign(name: &str) -> Fault {
    Fault::new(Trap::AbiViolation, format!("the snapshot does not fit the module: `{name}`"))
}

fn too_large(name: &str) -> Fault {
    Fault::new(Trap::Killed, format!("the snapshot needs more memory than the program may use: `{name}`"))
}
