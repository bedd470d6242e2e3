//! The local variables of an emitted function: the original ones, then those that the transform adds.

use std::collections::HashMap;

use wasm_encoder::{Encode, HeapType, RefType, ValType as Encoded};
use wasmparser::ValType;

/// The most variables that engines allow.
pub(super) const MOST_LOCALS: usize = 50_000;

pub(super) struct Locals {
    types: Vec<ValType>,
    parameters: usize,
    /// Where operands wait, by height on the stack and type.
    operands: HashMap<(usize, ValType), u32>,
    /// Where operands are put aside for a few instructions.
    scratch: HashMap<(usize, ValType), u32>,
    resume: Option<u32>,
}

impl Locals {
    pub(super) fn new(types: &[ValType], parameters: usize) -> Self {
        Self {
            types: types.to_vec(),
            parameters,
            operands: HashMap::new(),
            scratch: HashMap::new(),
            resume: None,
        }
    }

    /// The number of the point to resume at, 0 for none; in passing also the address of a frame.
    pub(super) fn resume(&mut self) -> u32 {
        *self.resume.get_or_insert_with(|| add(&mut self.types, ValType::I32))
    }

    pub(super) fn operand(&mut self, height: usize, ty: ValType) -> u32 {
        *self.operands.entry((height, ty)).or_insert_with(|| add(&mut self.types, ty))
    }

    pub(super) fn scratch(&mut self, index: usize, ty: ValType) -> u32 {
        *self.scratch.entry((index, ty)).or_insert_with(|| add(&mut self.types, ty))
    }

    pub(super) fn ty(&self, local: u32) -> ValType {
        self.types.get(local as usize).copied().unwrap_or(ValType::I32)
    }

    pub(super) fn len(&self) -> usize {
        self.types.len()
    }

    /// The declaration that precedes the code.
    pub(super) fn declare(&self, bytes: &mut Vec<u8>) {
        let mut runs: Vec<(u32, ValType)> = Vec::new();
        for ty in self.types.iter().skip(self.parameters) {
            match runs.last_mut() {
                Some((count, last)) if last == ty => *count += 1,
                _ => runs.push((1, *ty)),
            }
        }
        runs.len().encode(bytes);
        for (count, ty) in runs {
            count.encode(bytes);
            encoded(ty).encode(bytes);
        }
    }
}

fn add(types: &mut Vec<ValType>, ty: ValType) -> u32 {
    types.push(ty);
    types.len() as u32 - 1
}

/// The types that the checks let pass: other references than these two are refused.
pub(super) fn encoded(ty: ValType) -> Encoded {
    match ty {
        ValType::I32 => Encoded::I32,
        ValType::I64 => Encoded::I64,
        ValType::F32 => Encoded::F32,
        ValType::F64 => Encoded::F64,
        ValType::V128 => Encoded::V128,
        ValType::Ref(ty) if ty.is_extern_ref() => Encoded::Ref(RefType::EXTERNREF),
        ValType::Ref(_) => Encoded::Ref(RefType::FUNCREF),
    }
}

/// The value that a function gives back when it was suspended, and gets when it is resumed: nobody looks at it.
pub(super) fn zero(ty: ValType) -> wasm_encoder::Instruction<'static> {
    use wasm_encoder::Instruction;
    match ty {
        ValType::I32 => Instruction::I32Const(0),
        ValType::I64 => Instruction::I64Const(0),
        ValType::F32 => Instruction::F32Const(0.0.into()),
        ValType::F64 => Instruction::F64Const(0.0.into()),
        ValType::V128 => Instruction::V128Const(0),
        ValType::Ref(ty) if ty.is_extern_ref() => Instruction::RefNull(HeapType::EXTERN),
        ValType::Ref(_) => Instruction::RefNull(HeapType::FUNC),
    }
}
