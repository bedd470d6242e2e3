//! A region's gate: where the program is suspended, and where a resumed function finds its way on.
//!
//! In the normal case a gate is one look at the state. If that is not zero, either the program was asked to suspend
//! itself, and does, or it is being resumed: then the gate restores the frame if it belongs to the gate itself, calls
//! the callee again if the point is a call, or branches to the loop that contains the point, whose gate knows more.

use std::collections::HashMap;

use wasm_encoder::Instruction;
use wasmparser::Operator;

use super::super::STATE_REWINDING;
use super::super::body::{Body, PointKind, Region};
use super::super::model::Module;
use super::added::{Added, Helper};
use super::code::{Code, Label};
use super::frame::{restore, suspend};
use super::locals::{Locals, zero};
use super::operands::keep;

/// What a gate is written with.
pub(super) struct Writer<'w, 'a> {
    pub(super) module: &'w Module<'a>,
    pub(super) added: &'w Added,
    pub(super) body: &'w Body<'a>,
    pub(super) locals: &'w mut Locals,
    pub(super) code: &'w mut Code,
    /// The labels of the region, by the instruction where they end.
    pub(super) labels: &'w HashMap<usize, Label>,
}

impl Writer<'_, '_> {
    pub(super) fn gate(&mut self, region: &Region) {
        let Some(own) = region.point else { return };
        let resume = self.locals.resume();
        self.code.op(Instruction::GlobalGet(self.added.state));
        self.code.when();
        if self.body.points[own].kind == PointKind::Start {
            // The function was called: it resumes if the program does.
            self.code.ops([
                Instruction::GlobalGet(self.added.state),
                Instruction::I32Const(STATE_REWINDING),
                Instruction::I32And,
            ]);
            self.code.when();
            self.code.ops([
                Instruction::I32Const(self.body.function as i32),
                Instruction::I32Const(self.body.points.len() as i32),
                self.added.call(Helper::Enter),
                Instruction::LocalSet(resume),
            ]);
        } else {
            // A loop's head was reached: this very function resumes if it still has a point to go to.
            self.code.op(Instruction::LocalGet(resume));
            self.code.when();
        }
        self.resume(region, own);
        self.code.otherwise();
        suspend(self.body, own, self.added, self.locals, self.code);
        self.code.end();
        self.code.end();
    }

    fn resume(&mut self, region: &Region, own: usize) {
        let resume = self.locals.resume();
        for &(op, first, last) in &region.loops {
            let Some(label) = self.labels.get(&op) else { continue };
            // One comparison, unsigned: below the first wraps around.
            self.code.ops([
                Instruction::LocalGet(resume),
                Instruction::I32Const(first as i32 + 1),
                Instruction::I32Sub,
                Instruction::I32Const((last - first) as i32),
                Instruction::I32LeU,
            ]);
            let depth = self.code.depth(*label);
            self.code.op(Instruction::BrIf(depth));
        }
        for &point in &region.calls {
            if let PointKind::Call { op } = self.body.points[point].kind
                && let Some(label) = self.labels.get(&op).copied()
            {
                self.when_at(point);
                restore(self.body, point, self.added, self.locals, self.code);
                self.call_again(point, op);
                self.code.branch(label);
                self.code.end();
            }
        }
        self.when_at(own);
        restore(self.body, own, self.added, self.locals, self.code);
        self.code.op(self.added.call(Helper::Resumed));
        self.code.end();
    }

    fn when_at(&mut self, point: usize) {
        let resume = self.locals.resume();
        self.code.ops([
            Instruction::LocalGet(resume),
            Instruction::I32Const(point as i32 + 1),
            Instruction::I32Eq,
        ]);
        self.code.when();
    }

    /// Calls the callee, which restores itself: what its arguments are does not matter. An indirect call goes to the
    /// function that was suspended, whatever stands in the program's table by now.
    fn call_again(&mut self, point: usize, op: usize) {
        let base = self.body.points[point].operands.len();
        let (ty, call) = match self.body.ops[op].operator {
            Operator::Call { function_index } => {
                (self.module.type_of(function_index), Instruction::Call(function_index))
            }
            Operator::CallIndirect { type_index, .. } => {
                let table_index = self.added.functions.unwrap_or(0);
                (
                    self.module.types.get(type_index as usize),
                    Instruction::CallIndirect { type_index, table_index },
                )
            }
            _ => return,
        };
        let Some(ty) = ty else { return };
        for parameter in ty.params() {
            self.code.op(zero(*parameter));
        }
        if matches!(call, Instruction::CallIndirect { .. }) {
            self.code.op(self.added.call(Helper::Callee));
        }
        self.code.op(call);
        keep(ty.results(), base, self.locals, self.code);
    }
}
