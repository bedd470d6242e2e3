//! The races, under a model checker: every interleaving that loom can tell apart, not ten lucky ones.
//!
//!     RUSTFLAGS="--cfg delay_loom" cargo test --profile loom --lib stopper::models
//!
//! What has to come before the drain is written without any ordering of its own, so a model sees stale values if the
//! mechanism does not order it.

use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use loom::future::block_on;
use loom::model;
use loom::model::Builder;
use loom::thread;
use tokio_util::sync::CancellationToken;

use super::gate::{Cell, Gate};
use super::latch::Latch;
use super::life::Life;
use super::link::CancelLink;
use super::names::Label;
use super::panic::PanicHandler;
use super::roll::Roll;
use super::shared::Shared;
use super::sync::{AtomicBool, Ordering};

type Count = Arc<Cell<&'static str, ()>>;

fn gate() -> Arc<Gate<&'static str, ()>> {
    Arc::new(Gate::new(()))
}

/// What a task does. Relaxed: whoever looks may see the old value unless the gate makes it come after.
#[derive(Clone)]
struct Effect(Arc<AtomicBool>);

impl Effect {
    fn new() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    fn happen(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_seen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn run_task(cell: &Count, effect: &Effect) -> bool {
    let Some(_pass) = cell.admit() else { return false };
    effect.happen();
    true
}

#[test]
fn no_task_of_another_shard_starts_after_the_drain_was_seen_empty() {
    model(|| {
        let gate = gate();
        let tasks = [(gate.cell("a"), Effect::new()), (gate.cell("b"), Effect::new())];
        let threads = tasks.clone().map(|(cell, effect)| thread::spawn(move || run_task(&cell, &effect)));
        drop(gate.close());
        block_on(gate.drained());
        let seen = tasks.each_ref().map(|(_, effect)| effect.is_seen());
        let ran = threads.map(|thread| thread.join().expect("no panic"));
        assert_eq!(seen, ran, "what ran was over when the drain was seen empty");
        assert!(gate.counts().is_empty());
    });
}

#[test]
fn tasks_that_share_a_cell_are_all_over_at_the_drain() {
    // Three threads on one word: unbounded it takes half a minute, and bounded it finds the same.
    let mut bounded = Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let gate = gate();
        let (cell, effects) = (gate.cell("a"), [Effect::new(), Effect::new()]);
        let threads = effects.clone().map(|effect| {
            let cell = Arc::clone(&cell);
            thread::spawn(move || run_task(&cell, &effect))
        });
        drop(gate.close());
        block_on(gate.drained());
        let seen = effects.each_ref().map(Effect::is_seen);
        let ran = threads.map(|thread| thread.join().expect("no panic"));
        assert_eq!(seen, ran);
        assert!(cell.admit().is_none());
    });
}

#[test]
fn a_cell_that_is_made_while_the_gate_closes_admits_before_the_drain_or_never() {
    model(|| {
        let (gate, effect) = (gate(), Effect::new());
        let late = {
            let (gate, effect) = (Arc::clone(&gate), effect.clone());
            thread::spawn(move || run_task(&gate.cell("late"), &effect))
        };
        drop(gate.close());
        block_on(gate.drained());
        let seen = effect.is_seen();
        assert_eq!(seen, late.join().expect("no panic"));
    });
}

#[test]
fn the_last_release_wakes_whoever_waits_for_the_drain() {
    model(|| {
        let gate = gate();
        let (first, second) = (gate.cell("a").admit(), gate.cell("b").admit());
        let waits = |gate: &Arc<Gate<_, _>>| {
            let drained = gate.drained();
            thread::spawn(move || block_on(drained))
        };
        let waiter = waits(&gate);
        let releases = thread::spawn(move || drop(first));
        drop(gate.close());
        drop(second);
        // Deadlock, and so an error of the model, if the wake-up was lost.
        waiter.join().expect("no panic");
        releases.join().expect("no panic");
    });
}

#[test]
fn two_who_close_one_gate_drain_it_once() {
    model(|| {
        let gate = gate();
        let pass = gate.cell("a").admit();
        let other = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || drop(gate.close()))
        };
        drop(gate.close());
        assert!(!gate.drained().is_fired(), "a pass is out");
        drop(pass);
        block_on(gate.drained());
        other.join().expect("no panic");
    });
}

#[test]
fn a_signal_that_is_dropped_while_its_latch_opens_takes_nobodys_wake_up() {
    model(|| {
        let latch = Latch::new();
        let (stays, mut leaves) = (latch.signal(), latch.signal());
        let waiter = thread::spawn(move || block_on(stays));
        let leaver = thread::spawn(move || {
            let mut context = std::task::Context::from_waker(Waker::noop());
            let fired = std::pin::Pin::new(&mut leaves).poll(&mut context).is_ready();
            assert!(!fired || leaves.is_fired());
        });
        latch.open();
        waiter.join().expect("no panic");
        leaver.join().expect("no panic");
    });
}

#[test]
fn a_closer_added_while_the_stop_begins_is_queued_or_given_back_never_lost() {
    model(|| {
        let closers = Arc::new(Roll::new(1));
        assert!(closers.enter(0, "first").is_ok());
        let adder = {
            let closers = Arc::clone(&closers);
            thread::spawn(move || closers.enter(0, "late").err())
        };
        let queued = closers.close();
        let at_once = adder.join().expect("no panic");
        let run: Vec<_> = queued.into_iter().chain(at_once).collect();
        assert_eq!(run, ["first", "late"]);
        assert!(closers.close().is_empty());
    });
}

#[test]
fn an_entry_that_leaves_while_the_roll_closes_is_told_at_most_once_and_others_all() {
    model(|| {
        let roll = Arc::new(Roll::new(2));
        let place = roll.enter(0, "leaves").expect("open");
        assert!(roll.enter(1, "stays").is_ok());
        let leaver = {
            let roll = Arc::clone(&roll);
            thread::spawn(move || {
                roll.leave(place);
                roll.enter(0, "returns").err()
            })
        };
        let mut told = roll.close();
        told.extend(leaver.join().expect("no panic"));
        told.sort_unstable();
        assert!(matches!(told[..], ["leaves", "returns", "stays"] | ["returns", "stays"]), "{told:?}");
        assert_eq!(roll.len(), 0);
    });
}

#[test]
fn a_task_spawned_while_the_stop_aborts_is_aborted_by_one_of_them() {
    model(|| {
        // As `Crew::spawn`: enter, spawn, then put the handle where the place is.
        let spawned = Arc::new(Roll::new(1));
        let spawner = {
            let spawned = Arc::clone(&spawned);
            thread::spawn(move || match spawned.enter(0, None).ok() {
                Some(place) => spawned.replace(place, Some("handle")).is_err(),
                None => true,
            })
        };
        let by_stop = spawned.close().into_iter().flatten().count();
        let by_spawner = spawner.join().expect("no panic");
        assert_eq!(by_stop + usize::from(by_spawner), 1);
    });
}

fn shared() -> Arc<Shared> {
    Arc::new(Shared::new("model".into(), Location::caller(), PanicHandler::default()))
}

#[test]
fn whoever_is_refused_sees_quiescing_and_whoever_sees_quiescing_is_refused() {
    model(|| {
        let (shared, label) = (shared(), Label::here("task"));
        // The cell exists: its `OnceLock` is none of loom's.
        drop(shared.admit_task(label));
        let quiescer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.quiesce())
        };
        let before = shared.life();
        match shared.admit_task(label) {
            Ok(admission) => {
                assert_eq!(before, Life::Running);
                assert!(!shared.tasks.drained().is_fired());
                drop(admission);
            }
            Err(_) => {
                assert_eq!(shared.life(), Life::Quiescing);
                assert!(shared.admit_worker(label).is_err());
            }
        }
        quiescer.join().expect("no panic");
        block_on(shared.tasks.drained());
        // Dropped unstopped, as no driver runs here; that is for the census.
    });
}

#[test]
fn a_token_linked_while_the_stopper_quiesces_is_cancelled() {
    model(|| {
        let shared = shared();
        let linker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || CancelLink::new(&CancellationToken::new(), &shared.on_quiesce))
        };
        shared.quiesce();
        let link = linker.join().expect("no panic");
        assert!(link.is_cancelled());
    });
}
