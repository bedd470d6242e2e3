//! The spec suite and generated modules under both engines: the original under each, and the transformed suspended at
//! every point and carried over to the other engine each time, beginning on either. All four come to the same.
//!
//! To compile all of it twice takes minutes, so every eighth module is taken; `DELAY_CARRIED=1` takes each.
//! `DELAY_SMITH=N` sets how many modules are generated; 100 by default.

use std::collections::BTreeMap;

use delay::process::control::Control;
use delay::process::engine::{Caps, Code, Fault, Host, Import, Instance, Kind};
use delay::process::snapshot::{ModuleHash, Snapshot, SnapshotLimits, Value};
use delay::process::suspend::{self, Coverage, transform_with};
use delay::process::trap::Trap;

use crate::guests::ENGINES;

mod smith;
mod spec;

const CAPS: Caps = Caps { memory: 4 << 20, elements: 20_000, fuel: Some(20_000_000) };

/// After so many suspensions the program is left to run on.
const MOST_SUSPENSIONS: usize = 60;

/// What a run compared.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    seen: usize,
    pub(crate) modules: usize,
    pub(crate) invocations: usize,
    pub(crate) suspensions: usize,
    pub(crate) skipped: usize,
    pub(crate) differences: Vec<String>,
}

impl Tally {
    fn report(&self, what: &str) {
        println!(
            "{what}: {} modules, {} invocations, {} suspensions carried over, {} differences; skipped {}",
            self.modules,
            self.invocations,
            self.suspensions,
            self.differences.len(),
            self.skipped
        );
        for difference in self.differences.iter().take(20) {
            println!("  {difference}");
        }
        assert!(self.differences.is_empty(), "{} differences", self.differences.len());
    }
}

/// A host whose functions give numbers that never come twice, and which are noted.
struct Numbers {
    imports: Vec<(String, Vec<Kind>)>,
    calls: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Host for Numbers {
    fn find(&mut self, import: &Import<'_>) -> Result<u32, String> {
        self.imports.push((format!("{}.{}", import.module, import.name), import.results.to_vec()));
        Ok(self.imports.len() as u32 - 1)
    }

    fn call(
        &mut self,
        function: u32,
        _: &mut [u8],
        arguments: &[Value],
        results: &mut [Value],
    ) -> Result<(), Fault> {
        let (name, kinds) = &self.imports[function as usize];
        let mut calls = self.calls.lock().unwrap();
        let arguments: Vec<Value> = arguments.iter().map(|value| quiet(*value)).collect();
        calls.push(format!("{name}{arguments:?}"));
        for (index, (result, kind)) in results.iter_mut().zip(kinds).enumerate() {
            *result = match kind {
                Kind::I32 => Value::I32((calls.len() * 7 + index) as i32),
                kind => kind.zero(),
            };
        }
        Ok(())
    }
}

/// All kinds of not-a-number are one.
fn quiet(value: Value) -> Value {
    match value {
        Value::F32(bits) if f32::from_bits(bits).is_nan() => Value::F32(0x7fc0_0000),
        Value::F64(bits) if f64::from_bits(bits).is_nan() => Value::F64(0x7ff8 << 48),
        value => value,
    }
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Values(Vec<Value>),
    Trap(Trap),
    /// It took too long, or too deep a stack: nothing can be compared.
    Exhausted,
}

fn outcome(called: Result<Vec<Value>, Fault>) -> Outcome {
    match called {
        Ok(values) => Outcome::Values(values.into_iter().map(quiet).collect()),
        Err(Fault { trap: Trap::Killed | Trap::CallStackExhausted, .. }) => Outcome::Exhausted,
        Err(Fault { trap, .. }) => Outcome::Trap(trap),
    }
}

type Calls = std::sync::Arc<std::sync::Mutex<Vec<String>>>;

/// A program that goes from one engine to the other whenever it is suspended, or stays where it is.
struct Way {
    codes: Vec<Box<dyn Code>>,
    /// The engine that it is on.
    at: usize,
    instance: Box<dyn Instance>,
    calls: Calls,
    transformed: bool,
    module: ModuleHash,
}

impl Way {
    /// `None` if it does not start.
    fn new(wasm: &[u8], engines: &[usize], transformed: bool) -> Result<Self, Fault> {
        let metering = CAPS.metering();
        let mut codes = Vec::new();
        for engine in engines {
            let engine = ENGINES[*engine];
            codes.push(engine.load(&engine.compile(wasm, metering)?, metering)?);
        }
        let calls = Calls::default();
        let instance = fresh(&*codes[0], &calls)?;
        let module = ModuleHash::of(wasm);
        let mut way = Self { codes, at: 0, instance, calls, transformed, module };
        if transformed && way.instance.signature(suspend::START).is_some() {
            match way.call(suspend::START, &[]).0 {
                Outcome::Values(_) => {}
                outcome => return Err(Fault::new(Trap::InternalError, format!("{outcome:?}"))),
            }
        }
        Ok(way)
    }

    /// The outcome, and how often it was suspended.
    fn call(&mut self, name: &str, arguments: &[Value]) -> (Outcome, usize) {
        if !self.transformed {
            return (outcome(self.instance.call(name, arguments)), 0);
        }
        let mut state = suspend::STATE_ASKED;
        self.instance.set_global(suspend::DEPTH, Value::I32(0)).unwrap();
        for suspensions in 0.. {
            self.instance.set_global(suspend::STATE, Value::I32(state)).unwrap();
            let called = outcome(self.instance.call(name, arguments));
            if !self.instance.is_unwound() || called == Outcome::Exhausted {
                return (called, suspensions);
            }
            assert!(matches!(called, Outcome::Values(_)), "{name}: {called:?} while it unwinds");
            let saved = self.instance.save().unwrap();
            let snapshot = Snapshot {
                module: self.module,
                function: name.to_owned(),
                globals: saved.globals,
                memories: saved.memories,
                tables: saved.tables,
            };
            let bytes = snapshot.encode(SnapshotLimits::default()).unwrap();
            let snapshot = Snapshot::decode(&bytes, self.module, SnapshotLimits::default()).unwrap();
            self.at = (self.at + 1) % self.codes.len();
            self.instance = fresh(&*self.codes[self.at], &self.calls).expect("a fresh instance");
            self.instance.restore(&snapshot).expect("what the other engine has saved");
            state = suspend::STATE_REWINDING;
            if suspensions + 1 < MOST_SUSPENSIONS {
                state |= suspend::STATE_ASKED;
            }
        }
        unreachable!()
    }

    /// What can be seen from outside, references left out.
    fn visible(&mut self) -> (BTreeMap<String, Value>, BTreeMap<String, Vec<u8>>) {
        let exports = self.instance.exports().unwrap();
        let globals = exports.globals.into_iter().filter(|(name, value)| {
            !name.starts_with(suspend::PREFIX) && !matches!(value, Value::Function(_))
        });
        let memories = exports.memories.into_iter().filter(|(name, _)| !name.starts_with(suspend::PREFIX));
        (globals.map(|(name, value)| (name, quiet(value))).collect(), memories.collect())
    }
}

fn fresh(code: &dyn Code, calls: &Calls) -> Result<Box<dyn Instance>, Fault> {
    let host = Numbers { imports: Vec::new(), calls: calls.clone() };
    code.instantiate(CAPS, Box::new(host), Control::default())
}

/// Of how many modules one is taken.
fn every() -> usize {
    std::env::var("DELAY_CARRIED").ok().and_then(|every| every.parse().ok()).unwrap_or(8)
}

/// The original under each engine, and the transformed that begins on each.
pub(crate) struct Four([Way; 4]);

impl Four {
    /// `None` if no way of it can be used: it is refused, imports more than functions, or does not start.
    pub(crate) fn new(wasm: &[u8], tally: &mut Tally) -> Option<Self> {
        tally.seen += 1;
        if !tally.seen.is_multiple_of(every()) {
            return None;
        }
        let transformed = transform_with(wasm, Coverage::Every).or_else(|_| suspend::transform(wasm));
        let transformed = transformed.ok().map(|suspendable| suspendable.wasm);
        let ways = transformed.and_then(|transformed| {
            let originals = [Way::new(wasm, &[0], false), Way::new(wasm, &[1], false)];
            let [Ok(one), Ok(other)] = originals else { return None };
            let carried = [&[0, 1], &[1, 0]].map(|engines| {
                Way::new(&transformed, engines, true)
                    .unwrap_or_else(|fault| panic!("it does not start: {fault}"))
            });
            let [there, back] = carried;
            Some([one, other, there, back])
        });
        match ways {
            Some(ways) => {
                tally.modules += 1;
                Some(Self(ways))
            }
            None => {
                tally.skipped += 1;
                None
            }
        }
    }

    /// Calls a function all ways. `false` if the module cannot be used any more.
    pub(crate) fn call(&mut self, what: &str, name: &str, arguments: &[Value], tally: &mut Tally) -> bool {
        let outcomes = self.0.each_mut().map(|way| way.call(name, arguments));
        tally.suspensions += outcomes.iter().map(|(_, suspensions)| suspensions).sum::<usize>();
        if outcomes.iter().any(|(outcome, _)| *outcome == Outcome::Exhausted) {
            tally.skipped += 1;
            return false;
        }
        tally.invocations += 1;
        let first = &outcomes[0].0;
        if outcomes.iter().any(|(outcome, _)| outcome != first) {
            tally.differences.push(format!("{what} {name} {arguments:?}: {outcomes:?}"));
            return false;
        }
        let seen = self.0.each_mut().map(Way::visible);
        let calls = self.0.each_ref().map(|way| way.calls.lock().unwrap().clone());
        let same = seen.iter().all(|other| *other == seen[0]) && calls.iter().all(|other| *other == calls[0]);
        if !same {
            tally.differences.push(format!("{what} {name}: the states or the calls of the host differ"));
        }
        same
    }

    /// The exported functions that can be called.
    pub(crate) fn signature(&mut self, name: &str) -> Option<Vec<Kind>> {
        Some(self.0[0].instance.signature(name)?.0)
    }
}
