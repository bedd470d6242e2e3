//! The store port: what the worker, the stub and the tools ask of the place where tasks live. Stores know tasks and
//! bytes; they never see functions.
//!
//! Object-safe traits: [`Store`] (a handful of verbs on batches, the hot path), [`Inspect`] (reads, for people),
//! [`Upkeep`] (what time and operators do to tasks), [`Checkpoints`] (what suspended programs leave), and for queues
//! [`QueueBook`] (reads) and [`QueueDesk`] (what operators and consumers do). One conformance suite holds every store to
//! this text.
//!
//! Rules that each store keeps:
//! - The store's clock decides what "now" is; callers hand in lengths of time, never times that they read themselves.
//! - A claim raises the task's epoch. Every later write about the attempt carries its [`Fence`] and is refused unless
//!   the task is still running under that very epoch (G2), at the worker that writes.
//! - What a call has acknowledged is durable to the level that the store was opened with (G1).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::id::TaskId;
use crate::outcome::Transition;
pub use crate::signals::Signals;
use crate::task::{Task, TaskState};
use crate::time::Timestamp;

pub mod memory;
#[cfg(feature = "cli")]
pub(crate) mod finding;
#[cfg(feature = "cli")]
pub(crate) mod migration;
mod checkpoint;
mod exchange;
mod limit;
mod queue_book;
mod record;
mod share;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub(crate) use checkpoint::check_size;
pub use checkpoint::{Checkpoints, MOST_BYTES as MOST_CHECKPOINT_BYTES};
pub use exchange::{Claim, Enlist, Fence, Pushed, Queues, Settled, Settlement, Turn, Turned, WorkerId};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use limit::Gate;
pub(crate) use limit::{Limit, Terms};
pub use queue_book::{
    Forgotten, LeaseEnd, LeaseEnded, LeaseOrder, LeaseTo, QueueBook, QueueDesk, QueueEdit, QueueStats,
    Resume, Tagged,
};
pub(crate) use queue_book::{check_pull, exhausted_text, is_exhausted, unknown_queue};
pub use record::{Count, Filter, Order, TaskRecord, WorkerRecord};

/// An answer on its way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The hot path.
pub trait Store:
    Inspect + Upkeep + Checkpoints + QueueBook + QueueDesk + fmt::Debug + Send + Sync + 'static
{
    /// Adds tasks, all in one transaction; the answers are aligned with `tasks`. Adding a task whose id is there
    /// already changes nothing and is [`Pushed::Added`].
    fn push(&self, tasks: Vec<Task>) -> Pending<'_, Vec<Pushed>>;

    /// Makes a worker known; it holds what it claims as long as it [`beat`](Self::beat)s within `lease`.
    fn enlist(&self, worker: Enlist) -> Pending<'_, WorkerId>;

    /// Settles attempts and claims tasks, in one round trip and one transaction.
    ///
    /// # Errors
    /// [`is_stale_lease`](crate::Error::is_stale_lease) if the worker is not known any more: nothing was done, its
    /// tasks belong to others now.
    fn turn(&self, turn: Turn) -> Pending<'_, Turned>;

    /// Notes durably that attempts begin, for tasks under which a process has died before ([`Claim::crashes`] above
    /// zero). Answers which of the fences still hold, aligned.
    fn start(&self, fences: Vec<Fence>) -> Pending<'_, Vec<Settled>>;

    /// Renews the lease on all that the worker holds.
    ///
    /// # Errors
    /// [`is_stale_lease`](crate::Error::is_stale_lease) if the worker is not known any more.
    fn beat(&self, worker: WorkerId) -> Pending<'_, ()>;

    /// Takes leave: what the worker still holds goes back as if it had not been claimed.
    fn retire(&self, worker: WorkerId) -> Pending<'_, ()>;

    /// How many turns of one worker may be on their way at once, to keep a server busy while answers travel.
    fn lanes(&self) -> usize {
        1
    }

    /// The store's clock. For who has to know what is ahead by it (the ticks of a schedule); a due time is given to
    /// [`push`](Self::push) as it is, and only the store compares. A store that goes by another clock than the
    /// system's says so here.
    fn now(&self) -> Pending<'_, Timestamp> {
        Box::pin(std::future::ready(Ok(Clock::System.now())))
    }

    /// How the store wakes those who wait in this process.
    fn signals(&self) -> &Signals;

    /// Ends the store's own work; later calls fail.
    fn close(&self) -> Pending<'_, ()>;
}

/// Reads, for people and tools.
pub trait Inspect {
    /// The tasks with these ids, aligned; `None` where there is none.
    fn get(&self, ids: Vec<TaskId>) -> Pending<'_, Vec<Option<TaskRecord>>>;

    /// The tasks that a filter lets through, in the order of their ids.
    fn list(&self, filter: Filter) -> Pending<'_, Vec<TaskRecord>>;

    /// How many tasks there are per queue and state; combinations without any are left out.
    fn counts(&self) -> Pending<'_, Vec<Count>>;

    /// The workers whose leases have not run out.
    fn workers(&self) -> Pending<'_, Vec<WorkerRecord>>;
}

/// What time and operators do to tasks.
pub trait Upkeep {
    /// Brings due tasks forward, takes back the tasks of dead workers, and removes what has been kept long enough.
    /// Does a bounded amount of work; [`Upkept::more`] says that there is more to do.
    fn upkeep(&self, rules: UpkeepRules) -> Pending<'_, Upkept>;

    /// Does to each task what an operator asks; aligned answers.
    fn act(&self, action: Action, ids: Vec<TaskId>) -> Pending<'_, Vec<Acted>>;
}

/// How upkeep treats tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpkeepRules {
    /// After so many deaths of a process under it, a task is held.
    pub max_crashes: u32,
    /// The most tasks that one call touches per kind of work.
    pub batch: usize,
    /// Whether dead workers' tasks are taken back now.
    pub rescue: Rescue,
}

/// Whether upkeep may take tasks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rescue {
    /// Yes: a lease that has run out means a dead worker.
    Now,
    /// No: the clock has jumped, and every lease looks old until each worker has beaten again.
    AfterTheNextBeats,
}

impl Default for UpkeepRules {
    fn default() -> Self {
        Self { max_crashes: 5, batch: 1000, rescue: Rescue::Now }
    }
}

/// What upkeep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upkept {
    /// Scheduled tasks that became ready.
    pub promoted: u64,
    /// Tasks taken back from dead workers.
    pub rescued: u64,
    /// Of these, tasks that are held now because processes keep dying under them.
    pub quarantined: u64,
    /// Finished tasks removed after their time.
    pub pruned: u64,
    /// Whether a limit was reached and there is more to do at once.
    pub more: bool,
}

/// What an operator can do to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make it ready now, with its attempts counted anew and its checkpoint forgotten: held, failed, cancelled and scheduled tasks.
    Retry,
    /// Make a held task ready again, its attempts as they were: what a worker does that can run it.
    Release,
    /// Set it aside: a ready task at once, a running program as soon as its worker has stored what it is. It is held until
    /// somebody releases it, and then goes on where it was. A function that cannot be suspended runs to its end.
    Suspend,
    /// Take it back: waiting and held tasks at once, a running one as soon as its worker hears of it.
    Cancel,
    /// Remove it with all that is known of it: every task but a running one.
    Delete,
}

/// What became of one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// It is done.
    Done,
    /// The worker that runs the task has been asked.
    Asked,
    /// There is no such task.
    Unknown,
    /// The task's state does not allow it.
    Wrong(TaskState),
}

/// What stores keep of tasks that came to an end, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Succeeded tasks; one day. Zero removes them at once (a kept result stays for its own time).
    pub succeeded: Duration,
    /// Failed tasks; thirty days.
    pub failed: Duration,
    /// Cancelled tasks; one day.
    pub cancelled: Duration,
    /// How long a name stays taken after its task came to an end, in queues without a configuration; one hour. A name of a task whose result is kept stays
    /// taken as long as that: who asks again by name finds the result.
    pub tombstone: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self { succeeded: DAY, failed: 30 * DAY, cancelled: DAY, tombstone: Duration::from_secs(3600) }
    }
}

impl Retention {
    /// How long a task that a transition ends is kept, result and all; `None` if the transition does not end it.
    pub(crate) fn keep(&self, transition: &Transition) -> Option<Duration> {
        match transition {
            Transition::Succeed(kept) => {
                Some(kept.as_ref().map_or(self.succeeded, |kept| kept.keep.max(self.succeeded)))
            }
            Transition::Fail { .. } => Some(self.failed),
            Transition::Cancel { .. } => Some(self.cancelled),
            _ => None,
        }
    }

    /// How long the name of a task that a transition ends stays taken at least, whatever its queue says.
    pub(crate) fn bury_at_least(&self, transition: &Transition) -> Duration {
        match transition {
            Transition::Succeed(Some(kept)) => self.succeeded.max(kept.keep),
            _ => Duration::ZERO,
        }
    }
}

/// The answer to a worker that was taken for dead.
pub(crate) fn stale_lease() -> Error {
    Error::new(
        Kind::StaleLease,
        "this worker's lease has run out and its tasks went to others; what it did meanwhile was not written",
    )
}

/// What a task says that is held because processes keep dying under it.
pub(crate) fn crash_text(crashes: u32) -> String {
    format!(
        "{crashes} processes died while they ran it; look for aborts and memory use, then retry it by hand"
    )
}
