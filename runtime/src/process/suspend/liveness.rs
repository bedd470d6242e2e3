//! Which local variables are read after a point: only they are saved.
//!
//! The classic analysis, backwards over the structured code. A loop's head needs what its body needs, which is known
//! only after the body was walked, so the walk is repeated until no loop's head needs more than before.

use std::collections::HashMap;

use wasmparser::{Operator, ValType};

use super::body::{Body, PointKind};
use super::refusal::{Holder, Refusal, Size};

/// The most steps: a hostile function has many variables, many branches and deep loops at once.
const MOST_STEPS: usize = 1 << 30;

/// The most words of all sets that are kept at a time: 128 MiB.
const MOST_WORDS: usize = 1 << 24;

/// The most variables that all points of a function may save.
const MOST_SAVED: usize = 1_000_000;

/// A set of variables.
#[derive(Clone, PartialEq, Eq)]
struct Set(Vec<u64>);

impl Set {
    fn new(locals: usize) -> Self {
        Self(vec![0; locals.div_ceil(64)])
    }

    fn insert(&mut self, local: u32) {
        self.0[local as usize / 64] |= 1 << (local % 64);
    }

    fn remove(&mut self, local: u32) {
        self.0[local as usize / 64] &= !(1 << (local % 64));
    }

    fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    fn clear(&mut self) {
        self.0.fill(0);
    }

    fn members(&self) -> impl Iterator<Item = u32> {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index as u32 * 64 + bit)
        })
    }
}

/// A block whose end was passed, on the way back to its start.
struct Block {
    /// What is needed where a branch to it leads.
    label: Set,
    /// What is needed after its end.
    after: Set,
    /// What the arm after `else` needs.
    otherwise: Option<Set>,
}

struct Walk<'a, 'b> {
    body: &'b Body<'a>,
    /// What the loops' heads need, as far as it is known, by the loop's end.
    heads: HashMap<usize, Set>,
    /// The instructions of loops, by their ends.
    loops: HashMap<usize, usize>,
    steps: usize,
}

/// Fills in which variables each point saves.
pub(super) fn fill(body: &mut Body<'_>) -> Result<(), Refusal> {
    let blocks = body.ops.iter().filter(|op| op.live && matches!(op.operator, Operator::End)).count();
    let mut walk = Walk { body, heads: HashMap::new(), loops: loops(body), steps: 0 };
    if (blocks + body.points.len()).saturating_mul(body.locals.len() / 64) > MOST_WORDS {
        return Err(walk.too_much());
    }
    let mut found = HashMap::new();
    while walk.backwards(&mut found)? {}
    let mut saved = 0;
    for index in 0..body.points.len() {
        let op = body.points[index].kind.op();
        let locals: Vec<u32> = found.remove(&op).map(|set| set.members().collect()).unwrap_or_default();
        let locals = match body.points[index].kind {
            // The variables that are no parameters begin as zero, here and there.
            PointKind::Start => {
                locals.into_iter().filter(|local| (*local as usize) < body.ty.params().len()).collect()
            }
            _ => locals,
        };
        saved += locals.len();
        if saved > MOST_SAVED {
            let function = Some(body.function);
            return Err(Refusal::TooLarge { what: Size::Saved, function, limit: MOST_SAVED });
        }
        if let Some(local) =
            locals.iter().find(|local| matches!(body.locals[**local as usize], ValType::Ref(_)))
        {
            return Err(Refusal::LiveReference { at: body.place(op), holder: Holder::Local(*local) });
        }
        body.points[index].locals = locals;
    }
    Ok(())
}

/// The loops that can be reached, by their ends.
fn loops(body: &Body<'_>) -> HashMap<usize, usize> {
    let (mut open, mut ends) = (Vec::new(), HashMap::new());
    for (index, op) in body.ops.iter().enumerate().filter(|(_, op)| op.live) {
        match op.operator {
            Operator::Loop { .. } => open.push(Some(index)),
            Operator::Block { .. } | Operator::If { .. } => open.push(None),
            Operator::End => {
                if let Some(Some(head)) = open.pop() {
                    ends.insert(index, head);
                }
            }
            _ => {}
        }
    }
    ends
}

impl Walk<'_, '_> {
    /// One walk. Says whether a loop's head was found to need more than was known.
    fn backwards(&mut self, found: &mut HashMap<Option<usize>, Set>) -> Result<bool, Refusal> {
        let body = self.body;
        let mut live = Set::new(body.locals.len());
        let mut blocks: Vec<Block> = Vec::new();
        let mut ends: Vec<usize> = Vec::new();
        let mut more = false;
        for (index, op) in body.ops.iter().enumerate().rev().filter(|(_, op)| op.live) {
            self.count(1)?;
            match &op.operator {
                Operator::End => {
                    self.count(live.0.len())?;
                    let label = match self.loops.get(&index) {
                        Some(_) => {
                            self.heads.get(&index).cloned().unwrap_or_else(|| Set::new(body.locals.len()))
                        }
                        None => live.clone(),
                    };
                    blocks.push(Block { label, after: live.clone(), otherwise: None });
                    ends.push(index);
                }
                Operator::Else => {
                    if let Some(block) = blocks.last_mut() {
                        block.otherwise = Some(std::mem::replace(&mut live, block.after.clone()));
                    }
                }
                Operator::If { .. } => {
                    ends.pop();
                    if let Some(block) = blocks.pop() {
                        live.join(block.otherwise.as_ref().unwrap_or(&block.after));
                    }
                }
                Operator::Block { .. } => {
                    ends.pop();
                    blocks.pop();
                }
                Operator::Loop { .. } => {
                    blocks.pop();
                    let end = ends.pop().unwrap_or(index);
                    let head = self.heads.entry(end).or_insert_with(|| Set::new(body.locals.len()));
                    let known = head.clone();
                    head.join(&live);
                    more |= *head != known;
                    found.insert(Some(index), head.clone());
                    live = head.clone();
                }
                Operator::Br { relative_depth } => live = self.label(&blocks, *relative_depth)?.clone(),
                Operator::BrIf { relative_depth } => live.join(self.label(&blocks, *relative_depth)?),
                Operator::BrTable { targets } => {
                    live.clear();
                    let mut depths: Vec<u32> = targets.targets().filter_map(Result::ok).collect();
                    depths.push(targets.default());
                    depths.sort_unstable();
                    depths.dedup();
                    for depth in depths {
                        live.join(self.label(&blocks, depth)?);
                    }
                }
                Operator::Return | Operator::Unreachable => live.clear(),
                Operator::LocalGet { local_index } => live.insert(*local_index),
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    live.remove(*local_index)
                }
                Operator::Call { .. } | Operator::CallIndirect { .. } if body.calls.contains_key(&index) => {
                    self.count(live.0.len())?;
                    found.insert(Some(index), live.clone());
                }
                _ => {}
            }
        }
        found.insert(None, live);
        Ok(more)
    }

    fn label<'b>(&mut self, blocks: &'b [Block], depth: u32) -> Result<&'b Set, Refusal> {
        let label = blocks.len().checked_sub(1 + depth as usize).and_then(|index| blocks.get(index));
        // The function's own end is a block, too, so there always is one.
        let label = label.or(blocks.first()).map(|block| &block.label);
        self.count(label.map_or(1, |label| label.0.len()))?;
        label.ok_or_else(|| self.too_much())
    }

    fn count(&mut self, steps: usize) -> Result<(), Refusal> {
        self.steps += steps;
        if self.steps > MOST_STEPS { Err(self.too_much()) } else { Ok(()) }
    }

    fn too_much(&self) -> Refusal {
        Refusal::TooLarge { what: Size::Liveness, function: Some(self.body.function), limit: MOST_STEPS }
    }
}
