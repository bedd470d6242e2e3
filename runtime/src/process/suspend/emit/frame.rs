//! A frame: what a function saves when it is suspended, and gets back when it resumes.
//!
//! The values of the variables and operands, packed, then the point and the function. The innermost function's frame is
//! the lowest, the outermost one's the last, so that they are taken from the end.

use wasm_encoder::Instruction;
use wasmparser::ValType;

use super::super::body::Body;
use super::added::{Added, FRAME_END, Helper};
use super::code::Code;
use super::locals::{Locals, zero};

/// The variables of a point, each with its type and its offset in the frame, and the frame's size.
struct Frame {
    slots: Vec<(u32, ValType, u32)>,
    bytes: u32,
}

impl Frame {
    fn new(body: &Body<'_>, point: usize, locals: &mut Locals) -> Self {
        let point = &body.points[point];
        let mut slots = Vec::with_capacity(point.locals.len() + point.operands.len());
        let mut bytes = 0;
        let operands = point.operands.iter().enumerate().map(|(height, ty)| locals.operand(height, *ty));
        let variables: Vec<u32> = point.locals.iter().copied().chain(operands.collect::<Vec<_>>()).collect();
        for local in variables {
            let ty = locals.ty(local);
            slots.push((local, ty, bytes));
            bytes += match ty {
                ValType::I64 | ValType::F64 => 8,
                ValType::V128 => 16,
                _ => 4,
            };
        }
        Self { slots, bytes: bytes + FRAME_END }
    }
}

/// Saves and returns: the callers will see that the program unwinds, and do the same.
pub(super) fn suspend(body: &Body<'_>, point: usize, added: &Added, locals: &mut Locals, code: &mut Code) {
    let frame = Frame::new(body, point, locals);
    let address = locals.resume();
    code.ops([
        Instruction::I32Const(frame.bytes as i32),
        Instruction::I32Const(point as i32 + 1),
        Instruction::I32Const(body.function as i32),
        added.call(Helper::Push),
        Instruction::LocalSet(address),
    ]);
    for (local, ty, offset) in frame.slots {
        code.ops([Instruction::LocalGet(address), Instruction::LocalGet(local)]);
        let at = added.memory(offset);
        code.op(match ty {
            ValType::I64 => Instruction::I64Store(at),
            ValType::F32 => Instruction::F32Store(at),
            ValType::F64 => Instruction::F64Store(at),
            ValType::V128 => Instruction::V128Store(at),
            _ => Instruction::I32Store(at),
        });
    }
    for ty in body.ty.results() {
        code.op(zero(*ty));
    }
    code.op(Instruction::Return);
}

/// Takes the frame back.
pub(super) fn restore(body: &Body<'_>, point: usize, added: &Added, locals: &mut Locals, code: &mut Code) {
    let frame = Frame::new(body, point, locals);
    let address = locals.resume();
    code.ops([
        Instruction::I32Const(frame.bytes as i32),
        added.call(Helper::Pop),
        Instruction::LocalSet(address),
    ]);
    for (local, ty, offset) in frame.slots {
        code.op(Instruction::LocalGet(address));
        let at = added.memory(offset);
        code.op(match ty {
            ValType::I64 => Instruction::I64Load(at),
            ValType::F32 => Instruction::F32Load(at),
            ValType::F64 => Instruction::F64Load(at),
            ValType::V128 => Instruction::V128Load(at),
            _ => Instruction::I32Load(at),
        });
        code.op(Instruction::LocalSet(local));
    }
    code.ops([Instruction::I32Const(0), Instruction::LocalSet(address)]);
}
