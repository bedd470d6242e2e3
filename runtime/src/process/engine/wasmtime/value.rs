//! Values, types and traps of wasmtime in the words of the port. Pure.

use wasmtime::{Error, Val, ValType};

use crate::process::engine::{Fault, Kind};
use crate::process::snapshot::Value;
use crate::process::trap::Trap;

pub(super) fn kind(ty: &ValType) -> Kind {
    match ty {
        ValType::I32 => Kind::I32,
        ValType::I64 => Kind::I64,
        ValType::F32 => Kind::F32,
        ValType::F64 => Kind::F64,
        ValType::V128 => Kind::V128,
        ValType::Ref(ty) if ty.heap_type().is_func() => Kind::Function,
        ValType::Ref(_) => Kind::Other,
    }
}

pub(super) fn kinds(types: impl Iterator<Item = ValType>) -> Vec<Kind> {
    types.map(|ty| kind(&ty)).collect()
}

/// A value without references.
pub(super) fn plain(value: &Val) -> Option<Value> {
    Some(match value {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(bits) => Value::F32(*bits),
        Val::F64(bits) => Value::F64(*bits),
        Val::V128(value) => Value::V128(value.as_u128()),
        Val::FuncRef(None) => Value::Function(None),
        _ => return None,
    })
}

/// The engine's value; a reference is null, for who has no table to look it up in.
pub(super) fn val(value: Value) -> Val {
    match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(bits),
        Value::F64(bits) => Val::F64(bits),
        Value::V128(value) => Val::V128(value.into()),
        Value::Function(_) => Val::FuncRef(None),
    }
}

/// What the engine reports, or what the host has put into it.
pub(super) fn fault(error: &Error) -> Fault {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return fault.clone();
    }
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::OutOfFuel) => Fault::new(Trap::Killed, "its fuel is used up"),
        Some(code) => Fault::new(trap(*code), ""),
        None => Fault::new(Trap::InternalError, error.to_string()),
    }
}

fn trap(code: wasmtime::Trap) -> Trap {
    use wasmtime::Trap as Code;
    match code {
        Code::StackOverflow => Trap::CallStackExhausted,
        Code::MemoryOutOfBounds | Code::HeapMisaligned => Trap::MemoryAccessOutOfBounds,
        Code::TableOutOfBounds | Code::IndirectCallToNull | Code::NullReference => {
            Trap::IndirectCallIndexOutOfBounds
        }
        Code::BadSignature => Trap::IndirectCallSignatureMismatch,
        Code::IntegerOverflow | Code::BadConversionToInteger => Trap::IntegerOverflow,
        Code::IntegerDivisionByZero => Trap::IntegerDivideByZero,
        Code::UnreachableCodeReached => Trap::Unreachable,
        Code::Interrupt | Code::OutOfFuel => Trap::Killed,
        _ => Trap::InternalError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trap_of_the_engine_has_its_id() {
        use wasmtime::Trap as Code;
        let table = [
            (Code::UnreachableCodeReached, 3),
            (Code::StackOverflow, 4),
            (Code::MemoryOutOfBounds, 5),
            (Code::HeapMisaligned, 5),
            (Code::TableOutOfBounds, 6),
            (Code::IndirectCallToNull, 6),
            (Code::NullReference, 6),
            (Code::BadSignature, 7),
            (Code::IntegerDivisionByZero, 8),
            (Code::IntegerOverflow, 9),
            (Code::BadConversionToInteger, 9),
            (Code::AllocationTooLarge, 29),
            (Code::Interrupt, 30),
            (Code::OutOfFuel, 30),
        ];
        for (code, id) in table {
            assert_eq!(trap(code).id(), id, "{code:?}");
        }
    }
}
