//! Branches. A block that contains a point takes its operands in variables, the others take them from the stack.

use std::borrow::Cow;

use wasm_encoder::Instruction;
use wasmparser::{BrTable, ValType};

use super::super::refusal::Refusal;
use super::code::Label;
use super::function::Function;
use super::operands::keep;

/// Where a branch to a block of the original leads, and what it takes along.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) label: Label,
    pub(super) types: Vec<ValType>,
    /// The height of the operands' variables, if that is where they go.
    pub(super) stored: Option<usize>,
}

impl Target {
    pub(super) fn plain(label: Label, types: Vec<ValType>) -> Self {
        Self { label, types, stored: None }
    }

    pub(super) fn stored(label: Label, types: Vec<ValType>, base: usize) -> Self {
        Self { label, types, stored: Some(base) }
    }

    fn is_simple(&self) -> bool {
        self.stored.is_none() || self.types.is_empty()
    }
}

/// `br`
pub(super) fn always(function: &mut Function<'_, '_>, depth: u32) {
    let Some(target) = target(function, depth) else { return };
    function.fetch(target.types.len());
    jump(function, &target);
}

/// `br_if`
pub(super) fn maybe(function: &mut Function<'_, '_>, depth: u32) {
    let Some(target) = target(function, depth) else { return };
    function.fetch(target.types.len() + 1);
    if target.is_simple() {
        let depth = function.code.depth(target.label);
        function.code.op(Instruction::BrIf(depth));
        return;
    }
    let condition = put_aside(function, &target.types);
    function.code.op(Instruction::LocalGet(condition));
    function.code.when();
    take_back(function, &target.types);
    jump(function, &target);
    function.code.end();
    take_back(function, &target.types);
}

/// `br_table`
pub(super) fn table(function: &mut Function<'_, '_>, table: &BrTable<'_>) -> Result<(), Refusal> {
    let number = function.body.function;
    let mut depths = Vec::with_capacity(table.len() as usize + 1);
    for depth in table.targets() {
        depths.push(depth.map_err(|error| Refusal::found(&error, Some(number)))?);
    }
    depths.push(table.default());
    let mut distinct = depths.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let targets: Vec<Target> = distinct.iter().filter_map(|depth| target(function, *depth)).collect();
    let Some(types) = targets.first().map(|target| target.types.clone()) else { return Ok(()) };
    function.fetch(types.len() + 1);
    let place = |depth: &u32| distinct.binary_search(depth).unwrap_or(0);
    if targets.iter().all(Target::is_simple) {
        let labels: Vec<Label> = depths.iter().map(|depth| targets[place(depth)].label).collect();
        select(function, &labels);
        return Ok(());
    }
    // Each target gets a block of its own, after which the operands are put where it wants them.
    let condition = put_aside(function, &types);
    let mut blocks: Vec<Label> = targets.iter().map(|_| function.code.block()).collect();
    blocks.reverse();
    function.code.op(Instruction::LocalGet(condition));
    let labels: Vec<Label> = depths.iter().map(|depth| blocks[place(depth)]).collect();
    select(function, &labels);
    for target in &targets {
        function.code.end();
        take_back(function, &types);
        jump(function, target);
    }
    Ok(())
}

fn target(function: &Function<'_, '_>, depth: u32) -> Option<Target> {
    function.open.iter().rev().nth(depth as usize).cloned()
}

/// Branches with the operands on the stack.
fn jump(function: &mut Function<'_, '_>, target: &Target) {
    if let Some(base) = target.stored {
        keep(&target.types, base, &mut function.locals, &mut function.code);
    }
    function.code.branch(target.label);
}

/// Branches by number; the last label is the default.
fn select(function: &mut Function<'_, '_>, labels: &[Label]) {
    let depths: Vec<u32> = labels.iter().map(|label| function.code.depth(*label)).collect();
    if let Some((default, depths)) = depths.split_last() {
        function.code.op(Instruction::BrTable(Cow::Borrowed(depths), *default));
    }
}

/// Puts a condition and the operands below it aside. The result is where the condition is.
fn put_aside(function: &mut Function<'_, '_>, types: &[ValType]) -> u32 {
    let condition = function.locals.scratch(types.len(), ValType::I32);
    function.code.op(Instruction::LocalSet(condition));
    for (index, ty) in types.iter().enumerate().rev() {
        let local = function.locals.scratch(index, *ty);
        function.code.op(Instruction::LocalSet(local));
    }
    condition
}

fn take_back(function: &mut Function<'_, '_>, types: &[ValType]) {
    for (index, ty) in types.iter().enumerate() {
        let local = function.locals.scratch(index, *ty);
        function.code.op(Instruction::LocalGet(local));
    }
}
