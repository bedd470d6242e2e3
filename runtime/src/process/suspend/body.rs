//! One function, decoded and validated: its instructions, the points where it may be suspended, and its regions.
//!
//! A **point** is the function's start, the head of a loop, or a call of a function that may be suspended. A **region**
//! is the function or a loop, without the loops inside it. Each region has one gate, at its head; from there a resumed
//! function finds its way to any point of the region, so every block that contains a point is opened at the gate
//! (`Label`), earlier than in the original: nothing branches to it from outside, and operands wait in variables.

use std::collections::HashMap;

use wasmparser::{
    BlockType, FuncType, FuncValidator, FuncValidatorAllocations, Operator, ValType, ValidatorResources,
};

use super::calls::Calls;
use super::model::{self, Module, position};
use super::refusal::{Holder, Place, Refusal, Size};

/// The most values that all points of a function may save: more would not fit into a function anyway.
const MOST_SAVED: usize = 1_000_000;

pub(super) type Check = FuncValidator<ValidatorResources>;

pub(super) struct Body<'a> {
    /// The function's index, imports counted.
    pub(super) function: u32,
    pub(super) ty: FuncType,
    /// The types of the parameters and the variables.
    pub(super) locals: Vec<ValType>,
    pub(super) ops: Vec<Op<'a>>,
    /// The points in the order of the code. A point's number in the frame is its index here plus one.
    pub(super) points: Vec<Point>,
    /// The points of calls, by instruction.
    pub(super) calls: HashMap<usize, usize>,
    /// The regions, the function's first, by the instruction at their head; the function's is `None`.
    pub(super) regions: HashMap<Option<usize>, Region>,
    /// Where blocks and ifs that contain points go on: the arm after `else`, and what comes after the end.
    pub(super) exits: HashMap<usize, Exits>,
    /// A validator before the first instruction, to learn the operands' types once more.
    pub(super) check: Check,
}

pub(super) struct Op<'a> {
    pub(super) operator: Operator<'a>,
    /// Where its bytes are.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Code that cannot be reached is left out. The end of a block that can be reached counts as live.
    pub(super) live: bool,
}

pub(super) struct Point {
    pub(super) kind: PointKind,
    /// The operands that wait below: with a call, those under its arguments.
    pub(super) operands: Vec<ValType>,
    /// The variables that are read later; filled by `liveness`.
    pub(super) locals: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PointKind {
    Start,
    Loop { op: usize },
    Call { op: usize },
}

#[derive(Default)]
pub(super) struct Region {
    /// The region's own point, at its gate; a function that is only rewritten has none.
    pub(super) point: Option<usize>,
    /// The instructions where a label of this region ends, in order.
    pub(super) labels: Vec<usize>,
    /// The calls of the region, by point.
    pub(super) calls: Vec<usize>,
    /// The loops of the region: the instruction, the first and the last point.
    pub(super) loops: Vec<(usize, usize, usize)>,
}

#[derive(Clone, Copy)]
pub(super) struct Exits {
    pub(super) otherwise: Option<usize>,
    pub(super) end: usize,
}

struct Open {
    op: usize,
    kind: OpenKind,
    otherwise: Option<usize>,
    /// How many points there were before it.
    points: usize,
}

#[derive(PartialEq, Eq)]
enum OpenKind {
    Function,
    Block,
    Loop,
    Dead,
}

impl<'a> Body<'a> {
    pub(super) fn decode(module: &Module<'a>, raw: model::Body<'a>, calls: &Calls) -> Result<Self, Refusal> {
        let function = raw.validation.index;
        let wrong = |error| Refusal::found(&error, Some(function));
        let mut check = raw.validation.into_validator(FuncValidatorAllocations::default());
        let mut reader = raw.body.get_binary_reader();
        check.read_locals(&mut reader).map_err(wrong)?;
        let locals = (0..check.len_locals()).filter_map(|local| check.get_local_type(local)).collect();
        let mut body = Self {
            function,
            ty: module.type_of(function).cloned().unwrap_or_else(|| FuncType::new([], [])),
            locals,
            ops: Vec::new(),
            points: Vec::new(),
            calls: HashMap::new(),
            regions: HashMap::new(),
            exits: HashMap::new(),
            check: check.clone(),
        };
        let decoder = Decoder {
            module,
            calls,
            points: calls.suspends(module, function),
            saved: 0,
            open: Vec::new(),
            regions: Vec::new(),
            body: &mut body,
        };
        decoder.run(check, raw.body)?;
        Ok(body)
    }

    pub(super) fn place(&self, op: Option<usize>) -> Place {
        let op = op.and_then(|op| self.ops.get(op)).or(self.ops.first());
        Place { function: Some(self.function), offset: op.map_or(0, |op| op.start as u64) }
    }
}

impl PointKind {
    pub(super) fn op(self) -> Option<usize> {
        match self {
            Self::Start => None,
            Self::Loop { op } | Self::Call { op } => Some(op),
        }
    }
}

struct Decoder<'a, 'b> {
    module: &'b Module<'a>,
    calls: &'b Calls,
    /// Has this function points at all?
    points: bool,
    saved: usize,
    open: Vec<Open>,
    /// The regions that are open, innermost last.
    regions: Vec<(Option<usize>, Region)>,
    body: &'b mut Body<'a>,
}

impl<'a> Decoder<'a, '_> {
    fn run(mut self, mut check: Check, raw: wasmparser::FunctionBody<'a>) -> Result<(), Refusal> {
        let function = self.body.function;
        let wrong = |error| Refusal::found(&error, Some(function));
        let mut reader = raw.get_operators_reader().map_err(wrong)?;
        self.regions.push((None, Region::default()));
        self.open.push(Open { op: 0, kind: OpenKind::Function, otherwise: None, points: 0 });
        if self.points {
            self.point(PointKind::Start, Vec::new(), 0)?;
        }
        while !reader.eof() {
            let (operator, start) = reader.read_with_offset().map_err(wrong)?;
            let end = position(reader.original_position());
            let reached = check.get_control_frame(0).is_some_and(|frame| !frame.unreachable);
            let dead = self.open.last().is_some_and(|open| open.kind == OpenKind::Dead);
            let live = match operator {
                Operator::Else | Operator::End => !dead,
                _ => reached && !dead,
            };
            let op = self.body.ops.len();
            self.step(op, &operator, start, live, &check)?;
            check.op(start, &operator).map_err(wrong)?;
            self.body.ops.push(Op { operator, start: position(start), end, live });
        }
        reader.finish().map_err(wrong)?;
        self.close();
        Ok(())
    }

    fn step(
        &mut self,
        op: usize,
        operator: &Operator<'a>,
        start: u64,
        live: bool,
        check: &Check,
    ) -> Result<(), Refusal> {
        match operator {
            Operator::Block { .. } | Operator::If { .. } => self.enter(op, OpenKind::Block, live),
            Operator::Loop { .. } => {
                self.enter(op, OpenKind::Loop, live);
                if live && self.points {
                    self.point(PointKind::Loop { op }, operands(check, 0), start)?;
                    if let Some((_, region)) = self.regions.last_mut() {
                        region.labels.push(op);
                    }
                    let point = Some(self.body.points.len() - 1);
                    self.regions.push((Some(op), Region { point, ..Region::default() }));
                }
            }
            Operator::Else => {
                if let Some(open) = self.open.last_mut() {
                    open.otherwise = Some(op);
                }
            }
            Operator::End => self.leave(op),
            Operator::Call { function_index }
                if live && self.points && self.calls.suspends(self.module, *function_index) =>
            {
                let arguments = self.module.type_of(*function_index).map_or(0, |ty| ty.params().len());
                self.call(op, operands(check, arguments), start)?;
            }
            Operator::CallIndirect { type_index, .. } if live && self.points => {
                if let Some(ty) = self.module.types.get(*type_index as usize)
                    && self.calls.indirect.get(*type_index as usize) == Some(&true)
                {
                    self.call(op, operands(check, ty.params().len() + 1), start)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn enter(&mut self, op: usize, kind: OpenKind, live: bool) {
        let kind = if live { kind } else { OpenKind::Dead };
        self.open.push(Open { op, kind, otherwise: None, points: self.body.points.len() });
    }

    fn leave(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        let points = self.body.points.len();
        if points == open.points || open.kind == OpenKind::Dead || open.kind == OpenKind::Function {
            return;
        }
        if open.kind == OpenKind::Loop {
            self.close();
            if let Some((_, outer)) = self.regions.last_mut() {
                outer.loops.push((open.op, open.points, points - 1));
            }
            return;
        }
        self.body.exits.insert(open.op, Exits { otherwise: open.otherwise, end });
        if let Some((_, region)) = self.regions.last_mut() {
            region.labels.extend(open.otherwise);
            region.labels.push(end);
        }
    }

    fn close(&mut self) {
        if let Some((head, mut region)) = self.regions.pop() {
            region.labels.sort_unstable();
            self.body.regions.insert(head, region);
        }
    }

    fn call(&mut self, op: usize, operands: Vec<ValType>, start: u64) -> Result<(), Refusal> {
        self.point(PointKind::Call { op }, operands, start)?;
        let point = self.body.points.len() - 1;
        self.body.calls.insert(op, point);
        if let Some((_, region)) = self.regions.last_mut() {
            region.labels.push(op);
            region.calls.push(point);
        }
        Ok(())
    }

    fn point(&mut self, kind: PointKind, operands: Vec<ValType>, offset: u64) -> Result<(), Refusal> {
        if let Some(index) = operands.iter().position(|ty| matches!(ty, ValType::Ref(_))) {
            let at = Place { function: Some(self.body.function), offset };
            return Err(Refusal::LiveReference { at, holder: Holder::Operand(index as u32) });
        }
        self.saved += operands.len() + 1;
        if self.saved > MOST_SAVED {
            let function = Some(self.body.function);
            return Err(Refusal::TooLarge { what: Size::Saved, function, limit: MOST_SAVED });
        }
        if kind == PointKind::Start
            && let Some((_, region)) = self.regions.last_mut()
        {
            region.point = Some(0);
        }
        self.body.points.push(Point { kind, operands, locals: Vec::new() });
        Ok(())
    }
}

/// The operands on the stack, from the bottom, without the topmost ones.
fn operands(check: &Check, without: usize) -> Vec<ValType> {
    let height = check.operand_stack_height() as usize;
    (without..height).rev().map(|depth| operand(check, depth)).collect()
}

/// The type of an operand, from the top. Where the code is reached every type is known.
pub(super) fn operand(check: &Check, depth: usize) -> ValType {
    check.get_operand_type(depth).flatten().unwrap_or(ValType::I32)
}

/// The parameters and results of a block.
pub(super) fn block_types(module: &Module<'_>, ty: BlockType) -> (Vec<ValType>, Vec<ValType>) {
    match ty {
        BlockType::Empty => (Vec::new(), Vec::new()),
        BlockType::Type(ty) => (Vec::new(), vec![ty]),
        BlockType::FuncType(index) => module
            .types
            .get(index as usize)
            .map_or_else(Default::default, |ty| (ty.params().to_vec(), ty.results().to_vec())),
    }
}
