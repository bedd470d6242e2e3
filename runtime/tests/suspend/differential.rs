//! One module three ways: the original, the transformed, and the transformed suspended at every point.

use delay::process::suspend::{self, Refusal};
use wasmi::Val;

use crate::machine::{Machine, Mode, Outcome, Program, State};

/// What a run compared.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) modules: usize,
    pub(crate) invocations: usize,
    pub(crate) suspensions: usize,
    pub(crate) points: usize,
    pub(crate) skipped: usize,
    pub(crate) refused: std::collections::BTreeMap<String, usize>,
    pub(crate) differences: Vec<String>,
}

/// The three ways.
pub(crate) struct Trio {
    pub(crate) original: Program,
    transformed: Program,
    machines: [Machine; 3],
}

impl Trio {
    /// `None` if the module is refused, or does not start: then no way of it does.
    pub(crate) fn new(wasm: &[u8], tally: &mut Tally) -> Option<Self> {
        let Ok(original) = Program::original(wasm) else {
            tally.skipped += 1;
            return None;
        };
        let suspendable = match suspend::transform(wasm) {
            Ok(suspendable) => suspendable,
            Err(refusal) => {
                *tally.refused.entry(kind(&refusal)).or_default() += 1;
                return None;
            }
        };
        let transformed = Program::transformed(&suspendable.wasm);
        tally.points += suspendable.points;
        let Ok(first) = original.started(Mode::Through) else {
            tally.skipped += 1;
            return None;
        };
        let started = (transformed.started(Mode::Through), transformed.started(Mode::Suspended));
        let (Ok(second), Ok(third)) = started else {
            tally.differences.push("the original starts, the transformed does not".into());
            return None;
        };
        tally.modules += 1;
        tally.suspensions += third.suspensions;
        let trio = Self { original, transformed, machines: [first, second, third] };
        trio.compare("start", tally);
        Some(trio)
    }

    /// Calls a function three ways. Says whether the module can still be used.
    pub(crate) fn call(&mut self, what: &str, name: &str, arguments: &[Val], tally: &mut Tally) -> bool {
        let [first, second, third] = &mut self.machines;
        let expected = self.original.call(first, name, arguments, Mode::Through);
        if expected == Outcome::Exhausted {
            tally.skipped += 1;
            return false;
        }
        let before = third.suspensions;
        let through = self.transformed.call(second, name, arguments, Mode::Through);
        let suspended = self.transformed.call(third, name, arguments, Mode::Suspended);
        tally.invocations += 1;
        tally.suspensions += third.suspensions - before;
        if expected != through || expected != suspended {
            tally
                .differences
                .push(format!("{what} {name} {arguments:?}: {expected:?} | {through:?} | {suspended:?}"));
            return false;
        }
        self.compare(&format!("{what} {name}"), tally)
    }

    /// Compares all that can be seen from outside, and between the two transformed ones all that there is.
    fn compare(&self, what: &str, tally: &mut Tally) -> bool {
        let [first, second, third] = &self.machines;
        let visible = |machine: &Machine| {
            let mut state = machine.state();
            state.globals.retain(|name, _| !name.starts_with(suspend::PREFIX));
            state.memories.retain(|name, _| !name.starts_with(suspend::PREFIX));
            // Without the table of functions, references have no numbers.
            state.tables.clear();
            state.globals.retain(|_, value| !matches!(value, crate::machine::Value::Function(_)));
            state
        };
        let whole = |machine: &Machine| -> State {
            let mut state = machine.state();
            for own in [suspend::STATE, suspend::DEPTH] {
                state.globals.remove(own);
            }
            state.memories.remove(suspend::FRAMES);
            state
        };
        let same = visible(first) == visible(second) && whole(second) == whole(third);
        if !same {
            tally.differences.push(format!("{what}: the states differ"));
        }
        let logs = first.log() == second.log() && first.log() == third.log();
        if !logs {
            tally.differences.push(format!(
                "{what}: {:?} | {:?} | {:?}",
                first.log(),
                second.log(),
                third.log()
            ));
        }
        same && logs
    }
}

fn kind(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Proposal { proposal, .. } => format!("{proposal}"),
        Refusal::Invalid { message, .. } => format!("invalid: {message}"),
        Refusal::LiveReference { .. } => "live reference".into(),
        Refusal::HostReference { .. } => "host reference".into(),
        other => format!("{other}"),
    }
}
