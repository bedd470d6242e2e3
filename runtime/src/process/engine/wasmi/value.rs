//! Values, types and traps of wasmi in the words of the port. Pure.

use wasmi::{Error, Nullable, TrapCode, Val, ValType};

use crate::process::engine::{Fault, Kind};
use crate::process::snapshot::Value;
use crate::process::trap::Trap;

pub(super) fn kind(ty: ValType) -> Kind {
    match ty {
        ValType::I32 => Kind::I32,
        ValType::I64 => Kind::I64,
        ValType::F32 => Kind::F32,
        ValType::F64 => Kind::F64,
        ValType::V128 => Kind::V128,
        ValType::FuncRef => Kind::Function,
        ValType::ExternRef => Kind::Other,
    }
}

pub(super) fn kinds(types: &[ValType]) -> Vec<Kind> {
    types.iter().map(|ty| kind(*ty)).collect()
}

/// A value without references.
pub(super) fn plain(value: &Val) -> Option<Value> {
    Some(match value {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(value) => Value::F32(value.to_bits()),
        Val::F64(value) => Value::F64(value.to_bits()),
        Val::V128(value) => Value::V128(value.as_u128()),
        Val::FuncRef(Nullable::Null) => Value::Function(None),
        _ => return None,
    })
}

/// The engine's value; a reference is null, for who has no table to look it up in.
pub(super) fn val(value: Value) -> Val {
    match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(f32::from_bits(bits).into()),
        Value::F64(bits) => Val::F64(f64::from_bits(bits).into()),
        Value::V128(value) => Val::V128(value.into()),
        Value::Function(_) => Val::FuncRef(Nullable::Null),
    }
}

/// What the engine reports, or what the host has put into it.
pub(super) fn fault(error: &Error) -> Fault {
    if let Some(Passing(fault)) = error.downcast_ref::<Passing>() {
        return fault.clone();
    }
    match error.as_trap_code() {
        Some(TrapCode::OutOfFuel) => Fault::new(Trap::Killed, "its fuel is used up"),
        Some(code) => Fault::new(trap(code), ""),
        None => Fault::new(Trap::InternalError, error.to_string()),
    }
}

/// A fault on its way through the engine.
#[derive(Debug)]
pub(super) struct Passing(pub(super) Fault);

impl std::fmt::Display for Passing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl wasmi::errors::HostError for Passing {}

fn trap(code: TrapCode) -> Trap {
    match code {
        TrapCode::StackOverflow => Trap::CallStackExhausted,
        TrapCode::MemoryOutOfBounds => Trap::MemoryAccessOutOfBounds,
        TrapCode::TableOutOfBounds | TrapCode::IndirectCallToNull => Trap::IndirectCallIndexOutOfBounds,
        TrapCode::BadSignature => Trap::IndirectCallSignatureMismatch,
        TrapCode::IntegerOverflow | TrapCode::BadConversionToInteger => Trap::IntegerOverflow,
        TrapCode::IntegerDivisionByZero => Trap::IntegerDivideByZero,
        TrapCode::UnreachableCodeReached => Trap::Unreachable,
        TrapCode::OutOfFuel => Trap::Killed,
        _ => Trap::InternalError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trap_of_the_engine_has_its_id() {
        let table = [
            (TrapCode::UnreachableCodeReached, 3),
            (TrapCode::StackOverflow, 4),
            (TrapCode::MemoryOutOfBounds, 5),
            (TrapCode::TableOutOfBounds, 6),
            (TrapCode::IndirectCallToNull, 6),
            (TrapCode::BadSignature, 7),
            (TrapCode::IntegerDivisionByZero, 8),
            (TrapCode::IntegerOverflow, 9),
            (TrapCode::BadConversionToInteger, 9),
            (TrapCode::OutOfSystemMemory, 29),
            (TrapCode::OutOfFuel, 30),
        ];
        for (code, id) in table {
            assert_eq!(trap(code).id(), id, "{code:?}");
        }
    }
}
