//! One module, the original and transformed: run through, suspended at every point, and suspended in every function.

use delay::process::suspend::{self, Coverage, Refusal};
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
    /// Modules that are refused with points in every function.
    pub(crate) fewer: usize,
    pub(crate) refused: std::collections::BTreeMap<String, usize>,
    pub(crate) differences: Vec<String>,
}

/// The original, and three ways of the transformed.
pub(crate) struct Trio {
    pub(crate) original: Program,
    first: Machine,
    ways: Vec<Way>,
}

struct Way {
    program: Program,
    machine: Machine,
    mode: Mode,
}

impl Trio {
    /// `None` if the module is refused, or does not start: then no way of it does.
    pub(crate) fn new(wasm: &[u8], tally: &mut Tally) -> Option<Self> {
        let Ok(original) = Program::original(wasm) else {
            tally.skipped += 1;
            return None;
        };
        let ways = [
            (Coverage::Unbounded, Mode::Through),
            (Coverage::Unbounded, Mode::Suspended),
            (Coverage::Every, Mode::Suspended),
        ];
        let mut programs = Vec::new();
        for (coverage, mode) in ways {
            match suspend::transform_with(wasm, coverage) {
                Ok(suspendable) => {
                    tally.points += suspendable.points;
                    programs.push((Program::transformed(&suspendable.wasm), mode));
                }
                // With more points there is more to save, and more to refuse.
                Err(_) if coverage == Coverage::Every => tally.fewer += 1,
                Err(refusal) => {
                    *tally.refused.entry(kind(&refusal)).or_default() += 1;
                    return None;
                }
            }
        }
        let Ok(first) = original.started(Mode::Through) else {
            tally.skipped += 1;
            return None;
        };
        let mut ways = Vec::new();
        for (program, mode) in programs {
            let machine = start(&program, mode, tally)?;
            ways.push(Way { program, machine, mode });
        }
        tally.modules += 1;
        let trio = Self { original, first, ways };
        trio.compare("start", tally).then_some(trio)
    }

    /// Begins anew, in fresh instances. Says whether they start.
    pub(crate) fn restart(&mut self, tally: &mut Tally) -> bool {
        let Ok(first) = self.original.started(Mode::Through) else { return false };
        self.first = first;
        for way in &mut self.ways {
            let Some(machine) = start(&way.program, way.mode, tally) else { return false };
            way.machine = machine;
        }
        self.compare("start", tally)
    }

    /// Calls a function all ways. `None` if the module cannot be used any more.
    pub(crate) fn call(
        &mut self,
        what: &str,
        name: &str,
        arguments: &[Val],
        tally: &mut Tally,
    ) -> Option<Outcome> {
        let expected = self.original.call(&mut self.first, name, arguments, Mode::Through);
        if expected == Outcome::Exhausted {
            tally.skipped += 1;
            return None;
        }
        tally.invocations += 1;
        for (number, way) in self.ways.iter_mut().enumerate() {
            let before = way.machine.suspensions;
            let outcome = way.program.call(&mut way.machine, name, arguments, way.mode);
            tally.suspensions += way.machine.suspensions - before;
            if outcome != expected {
                tally
                    .differences
                    .push(format!("{what} {name} {arguments:?}: {expected:?}, way {number}: {outcome:?}"));
                return None;
            }
        }
        self.compare(&format!("{what} {name}"), tally).then_some(expected)
    }

    /// Compares all that can be seen from outside, and between the transformed ones all that there is.
    fn compare(&self, what: &str, tally: &mut Tally) -> bool {
        let visible = |machine: &Machine| {
            let mut state = machine.state();
            state.globals.retain(|name, _| !name.starts_with(suspend::PREFIX));
            state.memories.retain(|name, _| !name.starts_with(suspend::PREFIX));
            // Without the table of functions, references have no numbers.
            state.tables.clear();
            state.globals.retain(|_, value| !matches!(value, delay::process::snapshot::Value::Function(_)));
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
        let (seen, all) = (visible(&self.first), whole(&self.ways[0].machine));
        let same = self.ways.iter().all(|way| visible(&way.machine) == seen && whole(&way.machine) == all);
        if !same {
            tally.differences.push(format!("{what}: the states differ"));
        }
        let wrong = self.ways.iter().find(|way| way.machine.log() != self.first.log());
        if let Some(way) = wrong {
            tally.differences.push(format!("{what}: {:?} | {:?}", self.first.log(), way.machine.log()));
        }
        same && wrong.is_none()
    }
}

impl Trio {
    /// What the program called of the host.
    pub(crate) fn log(&self) -> &[String] {
        self.first.log()
    }
}

/// A transformed program, started as the original was.
fn start(program: &Program, mode: Mode, tally: &mut Tally) -> Option<Machine> {
    match program.started(mode) {
        Ok(machine) => {
            tally.suspensions += machine.suspensions;
            Some(machine)
        }
        Err(error) => {
            tally.differences.push(format!("the original starts, the transformed does not: {error}"));
            None
        }
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
