//! What the host gives to a program: functions that log their calls, and whatever else is imported.

use wasmi::{
    Error, Extern, ExternType, Func, Global, Linker, Memory, MemoryType, Ref, RefType, Store, Table,
    TableType, Val, ValType,
};

use crate::machine::{Host, shown};

/// What the spec suite imports from `spectest`, and what the guests import; anything else gets a plain value.
pub(crate) fn define(
    linker: &mut Linker<Host>,
    store: &mut Store<Host>,
    module: &str,
    name: &str,
    ty: &ExternType,
) -> Result<(), Error> {
    let item = match ty {
        ExternType::Func(ty) => {
            let label = format!("{module}.{name}");
            let results = ty.results().to_vec();
            Extern::Func(Func::new(&mut *store, ty.clone(), move |mut caller, arguments, out| {
                let log: &mut Vec<String> = &mut caller.data_mut().log;
                log.push(format!("{label}({})", arguments.iter().map(shown).collect::<Vec<_>>().join(", ")));
                for (index, (out, ty)) in out.iter_mut().zip(&results).enumerate() {
                    // Never twice the same: a call that is repeated shows.
                    *out = if *ty == ValType::I32 {
                        Val::I32((log.len() * 7 + index) as i32)
                    } else {
                        Val::default_for_ty(*ty)
                    };
                }
                Ok(())
            }))
        }
        ExternType::Global(ty) => {
            let value = match ty.content() {
                ValType::I32 => Val::I32(666),
                ValType::I64 => Val::I64(666),
                ValType::F32 => Val::F32(666.6.into()),
                ValType::F64 => Val::F64(666.6.into()),
                ty => Val::default_for_ty(ty),
            };
            Extern::Global(Global::new(&mut *store, value, ty.mutability()))
        }
        ExternType::Memory(ty) => {
            let ty = if module == "spectest" { MemoryType::new(1, Some(2)) } else { *ty };
            Extern::Memory(Memory::new(&mut *store, ty).map_err(|error| Error::new(error.to_string()))?)
        }
        ExternType::Table(ty) => {
            let ty = if module == "spectest" { TableType::new(RefType::Func, 10, Some(20)) } else { *ty };
            Extern::Table(Table::new(&mut *store, ty, Ref::null(ty.element()))?)
        }
    };
    // The same import may be named twice.
    let _ = linker.define(module, name, item);
    Ok(())
}
