//! The code of one function while it is written: bytes, and how many blocks are open.

use wasm_encoder::{BlockType, Encode, Instruction};

/// A label, by how many were open when it was opened. The function itself is label 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(u32);

impl Label {
    pub(super) const FUNCTION: Self = Self(0);
}

pub(super) struct Code {
    bytes: Vec<u8>,
    open: u32,
}

impl Code {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), open: 1 }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn op(&mut self, instruction: Instruction<'_>) {
        instruction.encode(&mut self.bytes);
    }

    pub(super) fn ops<const N: usize>(&mut self, instructions: [Instruction<'_>; N]) {
        for instruction in instructions {
            self.op(instruction);
        }
    }

    /// Instructions as they stand in the original: no index changes.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A block, an `if` or a loop of the original, as it stands.
    pub(super) fn raw_open(&mut self, bytes: &[u8]) -> Label {
        self.raw(bytes);
        self.open += 1;
        Label(self.open - 1)
    }

    pub(super) fn block(&mut self) -> Label {
        self.raw_open(&[]);
        self.op(Instruction::Block(BlockType::Empty));
        Label(self.open - 1)
    }

    pub(super) fn repeat(&mut self) -> Label {
        self.raw_open(&[]);
        self.op(Instruction::Loop(BlockType::Empty));
        Label(self.open - 1)
    }

    /// Opens an `if`: what is on top of the stack decides.
    pub(super) fn when(&mut self) {
        self.raw_open(&[]);
        self.op(Instruction::If(BlockType::Empty));
    }

    pub(super) fn otherwise(&mut self) {
        self.op(Instruction::Else);
    }

    pub(super) fn end(&mut self) {
        self.open -= 1;
        self.op(Instruction::End);
    }

    /// How far a branch from here to the label goes.
    pub(super) fn depth(&self, label: Label) -> u32 {
        self.open - 1 - label.0
    }

    pub(super) fn branch(&mut self, label: Label) {
        let depth = self.depth(label);
        self.op(Instruction::Br(depth));
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
