//! A crew: everything of one kind that a stopper waits for (tasks, workers, closers), counted, named and abortable.
//!
//! It joins the gate, the names and the roll of abort handles. It never decides when to close or to abort: the steps
//! of a stop do.

use std::fmt;
use std::panic::resume_unwind;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{AbortHandle, JoinHandle};

use super::gate::{Cell, Closing, Gate, Pass};
use super::latch::Signal;
use super::names::{Label, Names};
use super::panic::PanicHandler;
use super::roll::{Place, Roll};
use super::shard;
use super::task_map::TaskMap;

/// All of one kind.
pub(super) struct Crew {
    gate: Gate<Label, Hooks>,
    names: Names<Cell<Label, Hooks>>,
}

/// What every admission reaches through its cell.
pub(super) struct Hooks {
    on_panic: PanicHandler,
    /// `None` for the moment between entering and having been spawned.
    spawned: Roll<Option<AbortHandle>>,
}

impl Crew {
    pub(super) fn new(on_panic: PanicHandler) -> Self {
        let hooks = Hooks { on_panic, spawned: Roll::new(shard::count()) };
        Self { gate: Gate::new(hooks), names: Names::new() }
    }

    /// Counts one in; `None` once closed.
    #[inline]
    pub(super) fn admit(&self, label: Label) -> Option<Admission> {
        self.names.cell(label, |label| self.gate.cell(label)).admit().map(|pass| Admission { pass })
    }

    /// Runs `future` as a Tokio task of its own, under `admission`.
    pub(super) fn spawn<F>(
        &self,
        admission: Admission,
        permit: Option<OwnedSemaphorePermit>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let spawned = &self.gate.hooks().spawned;
        // It enters before it is spawned, since it may have ended before `spawn` returns.
        let place = spawned.enter(shard::of_thread(), None).ok();
        let task = Spawned { future, permit, standing: Standing { place, admission } };
        let handle = tokio::spawn(task.run());
        let aborted = match place {
            Some(place) => spawned.replace(place, Some(handle.abort_handle())).is_err(),
            None => true,
        };
        if aborted {
            handle.abort();
        }
        handle
    }

    /// Aborts what was spawned; what is spawned under an earlier admission is aborted as it starts.
    pub(super) fn abort(&self) {
        for handle in self.gate.hooks().spawned.close().into_iter().flatten() {
            handle.abort();
        }
    }

    pub(super) fn close(&self) -> Option<Closing<Hooks>> {
        self.gate.close()
    }

    pub(super) fn drained(&self) -> Signal {
        self.gate.drained()
    }

    pub(super) fn running(&self) -> TaskMap {
        TaskMap::new(self.gate.counts())
    }

    /// How many could be aborted now.
    #[cfg(all(test, not(delay_loom)))]
    pub(super) fn spawned(&self) -> usize {
        self.gate.hooks().spawned.len()
    }

    pub(super) fn total(&self) -> usize {
        self.gate.counts().iter().map(|(_, count)| count).sum()
    }
}

/// Permission to run something, and the promise that the stopper waits for it: until this is dropped.
///
/// For work that is not a future or that somebody else spawns: on a thread, on the blocking pool, in a library. Admit
/// it first, then move the admission to where the work runs. It is released wherever it is dropped, during a panic,
/// too; it may be sent to another thread.
///
/// ```
/// # use delay::stopper::Stopper;
/// let stopper = Stopper::new();
/// let admission = stopper.admit("compress")?;
/// let thread = std::thread::spawn(move || {
///     let _admission = admission;
///     // … the work …
/// });
/// thread.join().expect("the work does not panic");
/// assert_eq!(stopper.num_tasks(), 0);
/// # Ok::<(), delay::stopper::Unavailable>(())
/// ```
#[must_use = "the work is counted only as long as its admission is kept"]
pub struct Admission {
    pass: Pass<Label, Hooks>,
}

impl Admission {
    /// The name that it was asked for with.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.pass.cell().label().name
    }

    /// Runs `future`; the handler is told of a panic, which then goes on.
    pub(super) async fn run<F: Future>(&self, future: F) -> F::Output {
        match self.pass.cell().hooks().on_panic.watch(self.name(), future).await {
            Ok(output) => output,
            Err(payload) => resume_unwind(payload),
        }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// A future and all that is let go after it. If it is dropped before it was polled, the fields go in this order, as
/// the locals of `run` do otherwise: what the future's destructor does still belongs to the task.
struct Spawned<F> {
    future: F,
    permit: Option<OwnedSemaphorePermit>,
    standing: Standing,
}

impl<F: Future> Spawned<F> {
    async fn run(self) -> F::Output {
        let Self { standing, permit: _permit, future } = self;
        standing.admission.run(future).await
    }
}

/// An admission that stands on the roll of what can be aborted.
struct Standing {
    place: Option<Place>,
    admission: Admission,
}

impl Drop for Standing {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.admission.pass.cell().hooks().spawned.leave(place);
        }
    }
}
