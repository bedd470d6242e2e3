//! What the transform adds to a module, by index: globals, a memory, a table and a few functions of its own.
//!
//! All of it comes after what is there, so no index of the original changes and its code can be copied as bytes.

use std::collections::BTreeMap;

use wasm_encoder::{Instruction, MemArg, MemArgTarget, ValType};

use super::super::calls::Calls;
use super::super::model::Module;
use super::super::{STATE_REWINDING, STATE_UNWINDING};
use super::code::Code;

pub(super) struct Added {
    /// Global: what the program is about to do.
    pub(super) state: u32,
    /// Global: how many bytes of frames there are.
    pub(super) depth: u32,
    /// Memory: the frames.
    pub(super) frames: u32,
    /// Table: every function to which a reference can exist, at its own index.
    pub(super) functions: Option<u32>,
    /// Globals: was the data segment dropped?
    pub(super) data: BTreeMap<u32, u32>,
    /// Globals: was the element segment dropped?
    pub(super) elements: BTreeMap<u32, u32>,
    /// The first of the functions.
    first: u32,
    /// The first of their types.
    pub(super) types: u32,
}

/// The functions that are added, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Helper {
    /// `(bytes, point, function) -> address`: a new frame, and from now on the program unwinds.
    Push,
    /// `(bytes) -> address`: the last frame, which is no more.
    Pop,
    /// `(function, points) -> point`: where the function that was just called is to resume.
    Enter,
    /// The last frame was restored: the program runs on.
    Resumed,
    /// `-> function`: which function the last frame belongs to.
    Callee,
    /// For the host: drops the segments that the suspended program had dropped.
    Redrop,
}

impl Helper {
    pub(super) const ALL: [Self; 6] =
        [Self::Push, Self::Pop, Self::Enter, Self::Resumed, Self::Callee, Self::Redrop];

    /// Parameters (all `i32`), and whether there is a result (an `i32`).
    pub(super) fn signature(self) -> (usize, bool) {
        match self {
            Self::Push => (3, true),
            Self::Pop => (1, true),
            Self::Enter => (2, true),
            Self::Resumed | Self::Redrop => (0, false),
            Self::Callee => (0, true),
        }
    }
}

/// The bytes of a frame after its values: the point and the function.
pub(super) const FRAME_END: u32 = 8;

impl Added {
    pub(super) fn new(module: &Module<'_>, calls: &Calls) -> Self {
        let mut global = module.globals.len() as u32;
        let mut next = || {
            global += 1;
            global - 1
        };
        let references = !module.tables.is_empty()
            || module
                .globals
                .iter()
                .any(|global| global.mutable && matches!(global.content_type, wasmparser::ValType::Ref(_)));
        Self {
            state: next(),
            depth: next(),
            frames: module.memories,
            functions: (references && !module.referable.is_empty()).then_some(module.tables.len() as u32),
            data: calls.dropped_data.iter().map(|segment| (*segment, next())).collect(),
            elements: calls.dropped_elements.iter().map(|segment| (*segment, next())).collect(),
            first: module.functions.len() as u32,
            types: module.types.len() as u32,
        }
    }

    pub(super) fn call(&self, helper: Helper) -> Instruction<'static> {
        Instruction::Call(self.first + helper as u32)
    }

    pub(super) fn index(&self, helper: Helper) -> u32 {
        self.first + helper as u32
    }

    pub(super) fn memory(&self, offset: u32) -> MemArg {
        MemArg {
            offset: u64::from(offset),
            align: 0,
            target: MemArgTarget::Memory(self.frames),
            ordering: None,
        }
    }

    /// The code of a helper, with its declaration of variables.
    pub(super) fn body(&self, helper: Helper) -> Vec<u8> {
        let mut code = Code::new();
        match helper {
            Helper::Push => self.push(&mut code),
            Helper::Pop => code.ops([
                Instruction::GlobalGet(self.depth),
                Instruction::LocalGet(0),
                Instruction::I32Sub,
                Instruction::GlobalSet(self.depth),
                Instruction::GlobalGet(self.depth),
            ]),
            Helper::Enter => self.enter(&mut code),
            Helper::Resumed => {
                // Frames are left only if the host called another function than the one that was suspended.
                code.op(Instruction::GlobalGet(self.depth));
                trap(&mut code);
                code.ops([
                    Instruction::GlobalGet(self.state),
                    Instruction::I32Const(!STATE_REWINDING),
                    Instruction::I32And,
                    Instruction::GlobalSet(self.state),
                ]);
            }
            Helper::Callee => code.ops([
                Instruction::GlobalGet(self.depth),
                Instruction::I32Const(4),
                Instruction::I32Sub,
                Instruction::I32Load(self.memory(0)),
            ]),
            Helper::Redrop => {
                for (segment, global) in &self.data {
                    code.op(Instruction::GlobalGet(*global));
                    code.when();
                    code.op(Instruction::DataDrop(*segment));
                    code.end();
                }
                for (segment, global) in &self.elements {
                    code.op(Instruction::GlobalGet(*global));
                    code.when();
                    code.op(Instruction::ElemDrop(*segment));
                    code.end();
                }
            }
        }
        code.end();
        let mut bytes = match helper {
            // One variable: where the frame ends.
            Helper::Push => vec![1, 1, 0x7f],
            _ => vec![0],
        };
        bytes.extend(code.into_bytes());
        bytes
    }

    fn push(&self, code: &mut Code) {
        let (bytes, point, function, end) = (0, 1, 2, 3);
        code.ops([
            Instruction::I32Const(STATE_UNWINDING),
            Instruction::GlobalSet(self.state),
            Instruction::GlobalGet(self.depth),
            Instruction::LocalGet(bytes),
            Instruction::I32Add,
            Instruction::LocalTee(end),
            // More pages, if the frame would not fit.
            Instruction::I32Const(PAGE - 1),
            Instruction::I32Add,
            Instruction::I32Const(PAGE_BITS),
            Instruction::I32ShrU,
            Instruction::MemorySize(self.frames),
            Instruction::I32GtU,
        ]);
        code.when();
        code.ops([
            Instruction::LocalGet(end),
            Instruction::I32Const(PAGE - 1),
            Instruction::I32Add,
            Instruction::I32Const(PAGE_BITS),
            Instruction::I32ShrU,
            Instruction::MemorySize(self.frames),
            Instruction::I32Sub,
            Instruction::MemoryGrow(self.frames),
            Instruction::I32Const(-1),
            Instruction::I32Eq,
        ]);
        trap(code);
        code.end();
        code.ops([
            Instruction::LocalGet(end),
            Instruction::I32Const(FRAME_END as i32),
            Instruction::I32Sub,
            Instruction::LocalGet(point),
            Instruction::I32Store(self.memory(0)),
            Instruction::LocalGet(end),
            Instruction::I32Const(4),
            Instruction::I32Sub,
            Instruction::LocalGet(function),
            Instruction::I32Store(self.memory(0)),
            Instruction::GlobalGet(self.depth),
            Instruction::LocalGet(end),
            Instruction::GlobalSet(self.depth),
        ]);
    }

    /// Frames that do not fit the program end it: a trap, not a program in a state that it never had.
    fn enter(&self, code: &mut Code) {
        let (function, points) = (0, 1);
        code.ops([self.call(Helper::Callee), Instruction::LocalGet(function), Instruction::I32Ne]);
        trap(code);
        let point = [
            Instruction::GlobalGet(self.depth),
            Instruction::I32Const(FRAME_END as i32),
            Instruction::I32Sub,
            Instruction::I32Load(self.memory(0)),
        ];
        code.ops(point.clone());
        code.ops([
            Instruction::I32Const(1),
            Instruction::I32Sub,
            Instruction::LocalGet(points),
            Instruction::I32GeU,
        ]);
        trap(code);
        code.ops(point);
    }
}

const PAGE_BITS: i32 = 16;
const PAGE: i32 = 1 << PAGE_BITS;

/// Traps if what is on top of the stack is not zero.
fn trap(code: &mut Code) {
    code.when();
    code.op(Instruction::Unreachable);
    code.end();
}

/// The type of a helper, as the type section holds it.
pub(super) fn helper_type(helper: Helper) -> (Vec<ValType>, Vec<ValType>) {
    let (parameters, result) = helper.signature();
    (vec![ValType::I32; parameters], vec![ValType::I32; usize::from(result)])
}
