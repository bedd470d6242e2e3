//! Where the operands of a function are: the lower ones wait in variables, the upper ones are on the engine's stack.
//!
//! At every point, and wherever a block ends that contains a point, all operands are in variables: the engine's stack is
//! empty there, so that one can arrive from the gate as well. In between they are fetched when an instruction wants them.

use wasm_encoder::Instruction;
use wasmparser::ValType;

use super::super::body::{Check, operand};
use super::code::Code;
use super::locals::Locals;

pub(super) struct Operands {
    /// The operands below this height are in variables, the others on the stack.
    stored: usize,
}

impl Operands {
    pub(super) fn new() -> Self {
        Self { stored: 0 }
    }

    /// Puts all operands into variables.
    pub(super) fn store(&mut self, check: &Check, locals: &mut Locals, code: &mut Code) {
        let height = check.operand_stack_height() as usize;
        for position in (self.stored..height).rev() {
            let local = locals.operand(position, operand(check, height - 1 - position));
            code.op(Instruction::LocalSet(local));
        }
        self.stored = height;
    }

    /// Has the topmost operands, at least so many, on the stack.
    pub(super) fn fetch(&mut self, count: usize, check: &Check, locals: &mut Locals, code: &mut Code) {
        let height = check.operand_stack_height() as usize;
        let wanted = height.saturating_sub(count);
        if wanted < self.stored {
            if self.stored < height {
                self.store(check, locals, code);
            }
            for position in wanted..height {
                let local = locals.operand(position, operand(check, height - 1 - position));
                code.op(Instruction::LocalGet(local));
            }
            self.stored = wanted;
        }
    }

    /// Has exactly the topmost operands on the stack, and all others in variables.
    pub(super) fn split(&mut self, count: usize, check: &Check, locals: &mut Locals, code: &mut Code) {
        let height = check.operand_stack_height() as usize;
        if self.stored < height.saturating_sub(count) {
            self.store(check, locals, code);
        }
        self.fetch(count, check, locals, code);
    }

    /// After an instruction that left everything in variables.
    pub(super) fn all_stored(&mut self, check: &Check) {
        self.stored = check.operand_stack_height() as usize;
    }
}

/// Moves values from the stack into the variables of operands, from this height on.
pub(super) fn keep(types: &[ValType], height: usize, locals: &mut Locals, code: &mut Code) {
    for (index, ty) in types.iter().enumerate().rev() {
        let local = locals.operand(height + index, *ty);
        code.op(Instruction::LocalSet(local));
    }
}
