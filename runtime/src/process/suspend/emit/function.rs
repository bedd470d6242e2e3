//! Writes one function anew: its own instructions, with gates at the heads of its regions and a look after each call.

use std::collections::HashMap;

use wasm_encoder::Instruction;
use wasmparser::{BlockType, Operator, ValType};

use super::super::STATE_UNWINDING;
use super::super::body::{Body, Check, Region, block_types};
use super::super::model::Module;
use super::super::refusal::{Refusal, Size};
use super::added::Added;
use super::branch::{self, Target};
use super::code::{Code, Label};
use super::frame::suspend;
use super::gate::Writer;
use super::locals::{Locals, MOST_LOCALS};
use super::operands::{Operands, keep};

/// The most bytes of a function that engines allow.
const MOST_BYTES: usize = 7_654_321;

pub(super) struct Function<'f, 'a> {
    pub(super) module: &'f Module<'a>,
    pub(super) added: &'f Added,
    pub(super) body: &'f Body<'a>,
    pub(super) check: Check,
    pub(super) locals: Locals,
    pub(super) operands: Operands,
    pub(super) code: Code,
    /// The blocks of the original that are open, outermost first.
    pub(super) open: Vec<Target>,
    /// The labels that were opened at gates, by the instruction where they end.
    labels: HashMap<usize, Label>,
}

/// The function's declaration and code, without its length.
pub(super) fn write<'a>(module: &Module<'a>, added: &Added, body: &Body<'a>) -> Result<Vec<u8>, Refusal> {
    let function = Function {
        module,
        added,
        body,
        check: body.check.clone(),
        locals: Locals::new(&body.locals, body.ty.params().len()),
        operands: Operands::new(),
        code: Code::new(),
        open: Vec::new(),
        labels: HashMap::new(),
    };
    function.write()
}

impl Function<'_, '_> {
    fn write(mut self) -> Result<Vec<u8>, Refusal> {
        let body = self.body;
        self.open.push(Target::plain(Label::FUNCTION, body.ty.results().to_vec()));
        if let Some(region) = body.regions.get(&None) {
            self.region(region);
        }
        for (index, op) in body.ops.iter().enumerate() {
            let stored = if op.live { self.op(index)? } else { false };
            self.check
                .op(op.start as u64, &op.operator)
                .map_err(|error| Refusal::found(&error, Some(body.function)))?;
            if stored {
                self.operands.all_stored(&self.check);
            }
            if self.code.len() > MOST_BYTES {
                return Err(self.too_large(Size::Function, MOST_BYTES));
            }
        }
        if self.locals.len() > MOST_LOCALS {
            return Err(self.too_large(Size::Locals, MOST_LOCALS));
        }
        let mut bytes = Vec::new();
        self.locals.declare(&mut bytes);
        bytes.extend(self.code.into_bytes());
        Ok(bytes)
    }

    fn too_large(&self, what: Size, limit: usize) -> Refusal {
        Refusal::TooLarge { what, function: Some(self.body.function), limit }
    }

    /// Opens all labels that end in the region, the last one first, and sets the gate.
    fn region(&mut self, region: &Region) {
        for end in region.labels.iter().rev() {
            let label = self.code.block();
            self.labels.insert(*end, label);
        }
        let mut writer = Writer {
            module: self.module,
            added: self.added,
            body: self.body,
            locals: &mut self.locals,
            code: &mut self.code,
            labels: &self.labels,
        };
        writer.gate(region);
    }

    /// One instruction. Says whether it leaves all operands in variables.
    fn op(&mut self, index: usize) -> Result<bool, Refusal> {
        let body = self.body;
        match &body.ops[index].operator {
            Operator::Block { blockty } => return Ok(self.block(index, *blockty)),
            Operator::Loop { blockty } => return Ok(self.repeat(index, *blockty)),
            Operator::If { blockty } => return Ok(self.choose(index, *blockty)),
            Operator::Else => return Ok(self.otherwise(index)),
            Operator::End => return Ok(self.end()),
            Operator::Br { relative_depth } => branch::always(self, *relative_depth),
            Operator::BrIf { relative_depth } => branch::maybe(self, *relative_depth),
            Operator::BrTable { targets } => branch::table(self, targets)?,
            Operator::Return => {
                self.fetch(body.ty.results().len());
                self.raw(index);
            }
            Operator::Call { .. } | Operator::CallIndirect { .. } if body.calls.contains_key(&index) => {
                self.call(index);
                return Ok(true);
            }
            Operator::DataDrop { data_index } => self.drop_segment(index, self.added.data.get(data_index)),
            Operator::ElemDrop { elem_index } => {
                self.drop_segment(index, self.added.elements.get(elem_index))
            }
            operator => {
                // The validator knows every instruction that it lets pass.
                let (wanted, _) = operator.operator_arity(&self.check).unwrap_or((0, 0));
                self.fetch(wanted as usize);
                self.raw(index);
            }
        }
        Ok(false)
    }

    pub(super) fn fetch(&mut self, count: usize) {
        self.operands.fetch(count, &self.check, &mut self.locals, &mut self.code);
    }

    fn store(&mut self) {
        self.operands.store(&self.check, &mut self.locals, &mut self.code);
    }

    /// The instruction as it stands in the original.
    pub(super) fn raw(&mut self, index: usize) {
        let op = &self.body.ops[index];
        self.code.raw(&self.module.bytes[op.start..op.end]);
    }

    pub(super) fn height(&self) -> usize {
        self.check.operand_stack_height() as usize
    }

    /// Is the end that comes now reached by the code before it?
    fn reached(&self) -> bool {
        self.check.get_control_frame(0).is_some_and(|frame| !frame.unreachable)
    }

    fn block(&mut self, index: usize, ty: BlockType) -> bool {
        let (parameters, results) = block_types(self.module, ty);
        if let Some(exits) = self.body.exits.get(&index) {
            let base = self.height().saturating_sub(parameters.len());
            self.store();
            if let Some(label) = self.labels.get(&exits.end) {
                self.open.push(Target::stored(*label, results, base));
            }
            return true;
        }
        self.fetch(parameters.len());
        self.plain(index, results);
        false
    }

    /// A block that contains no point.
    fn plain(&mut self, index: usize, types: Vec<ValType>) {
        let op = &self.body.ops[index];
        let label = self.code.raw_open(&self.module.bytes[op.start..op.end]);
        self.open.push(Target::plain(label, types));
    }

    fn repeat(&mut self, index: usize, ty: BlockType) -> bool {
        let (parameters, _) = block_types(self.module, ty);
        let Some(region) = self.body.regions.get(&Some(index)) else {
            self.fetch(parameters.len());
            self.plain(index, parameters);
            return false;
        };
        let base = self.height().saturating_sub(parameters.len());
        self.store();
        // Here the gate's branch joins.
        self.code.end();
        let label = self.code.repeat();
        self.open.push(Target::stored(label, parameters, base));
        self.region(region);
        true
    }

    fn choose(&mut self, index: usize, ty: BlockType) -> bool {
        let (parameters, results) = block_types(self.module, ty);
        let Some(exits) = self.body.exits.get(&index) else {
            self.fetch(parameters.len() + 1);
            self.plain(index, results);
            return false;
        };
        let height = self.height().saturating_sub(1);
        self.store();
        let condition = self.locals.operand(height, ValType::I32);
        self.code.ops([Instruction::LocalGet(condition), Instruction::I32Eqz]);
        if let Some(label) = self.labels.get(&exits.otherwise.unwrap_or(exits.end)) {
            let depth = self.code.depth(*label);
            self.code.op(Instruction::BrIf(depth));
        }
        if let Some(label) = self.labels.get(&exits.end) {
            self.open.push(Target::stored(*label, results, height.saturating_sub(parameters.len())));
        }
        true
    }

    fn otherwise(&mut self, index: usize) -> bool {
        let Some(Target { stored: Some(_), label, .. }) = self.open.last() else {
            self.raw(index);
            return false;
        };
        let label = *label;
        if self.reached() {
            self.store();
            self.code.branch(label);
        } else {
            self.code.op(Instruction::Unreachable);
        }
        self.code.end();
        true
    }

    fn end(&mut self) -> bool {
        let reached = self.reached();
        let Some(target) = self.open.pop() else { return false };
        if target.stored.is_none() {
            match (self.open.is_empty(), reached) {
                (true, true) => self.fetch(target.types.len()),
                (true, false) => self.code.op(Instruction::Unreachable),
                (false, _) => {}
            }
            self.code.end();
            return false;
        }
        if reached {
            self.store();
        } else {
            self.code.op(Instruction::Unreachable);
        }
        self.code.end();
        true
    }

    fn call(&mut self, index: usize) {
        let Some(&point) = self.body.calls.get(&index) else { return };
        let base = self.body.points[point].operands.len();
        let results = match self.body.ops[index].operator {
            Operator::Call { function_index } => self.module.type_of(function_index),
            Operator::CallIndirect { type_index, .. } => self.module.types.get(type_index as usize),
            _ => None,
        };
        let arguments = self.height().saturating_sub(base);
        self.operands.split(arguments, &self.check, &mut self.locals, &mut self.code);
        self.raw(index);
        if let Some(ty) = results {
            keep(ty.results(), base, &mut self.locals, &mut self.code);
        }
        // Here the gate's call joins.
        self.code.end();
        self.code.ops([
            Instruction::GlobalGet(self.added.state),
            Instruction::I32Const(STATE_UNWINDING),
            Instruction::I32And,
        ]);
        self.code.when();
        suspend(self.body, point, self.added, &mut self.locals, &mut self.code);
        self.code.end();
    }

    /// Remembers that the segment is gone: a snapshot's instance begins with all of them.
    fn drop_segment(&mut self, index: usize, global: Option<&u32>) {
        self.raw(index);
        if let Some(global) = global {
            self.code.ops([Instruction::I32Const(1), Instruction::GlobalSet(*global)]);
        }
    }
}
