//! The store port: what the worker, the stub and the tools ask of the place where tasks live. Stores know tasks and
//! bytes; they never see functions.
//!
//! Three object-safe traits: [`Store`] (a handful of verbs on batches, the hot path), [`Inspect`] (reads, for people)
//! and [`Upkeep`] (what time and operators do to tasks). One conformance suite holds every store to this text.
//!
//! Rules that each store keeps:
//! - The store's clock decides what "now" is; callers hand in lengths of time, never times that they read themselves.
//! - A claim raises the task's epoch. Every later write about the attempt carries its [`Fence`] and is refused unless
//!   the task is still running under that very epoch (G2).
//! - What a call has acknowledged is durable to the level that the store was opened with (G1).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::outcome::{Hold, Transition};
use crate::signals::Signals;
use crate::task::{Task, TaskId, TaskState};
use crate::time::Timestamp;

pub mod memory;
#[cfg(feature = "cli")]
pub(crate) mod migration;
mod share;
#[cfg(feature = "sqlite")]
pub mod sqlite;

/// An answer on its way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The hot path.
pub trait Store: Inspect + Upkeep + fmt::Debug + Send + Sync + 'static {
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

/// What became of one pushed task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is in the store.
    Added,
    /// Another task has its name, or had it within the tombstone time: that one's id.
    NameTaken(TaskId),
}

/// A worker as a store knows it. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub i64);

/// A worker that makes itself known.
#[derive(Clone, Debug)]
pub struct Enlist {
    /// What people call it: host, process.
    pub name: String,
    /// How long it may be silent before its tasks are taken back.
    pub lease: Duration,
    /// The functions that it can run.
    pub functions: Vec<String>,
}

/// One exchange of a worker with its store.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Who asks.
    pub worker: WorkerId,
    /// Attempts that have come to something.
    pub settle: Vec<Settlement>,
    /// How many tasks to claim, at most.
    pub want: usize,
    /// Of which queues.
    pub queues: Queues,
}

/// Which queues a worker serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Queues {
    /// Whatever there is, each queue getting its share.
    #[default]
    All,
    /// These.
    Only(Arc<[String]>),
}

/// The right of one attempt to write about its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The task.
    pub id: TaskId,
    /// The epoch that the claim raised.
    pub epoch: i64,
    /// Whether the task has a name, which then needs a tombstone when the task ends.
    pub named: bool,
    /// Where the store keeps the task, if that is not told by its id; the store's own affair.
    pub row: i64,
}

/// What is to become of a claimed task.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// By what right.
    pub fence: Fence,
    /// What to do.
    pub transition: Transition,
}

/// What became of one settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is written.
    Applied,
    /// It was refused: the lease was lost, and another attempt counts (G2).
    Stale,
}

/// A task handed to a worker.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The right to write about it.
    pub fence: Fence,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
    /// How often a process died under it.
    pub crashes: u32,
    /// How long before this claim the first attempt was claimed.
    pub age: Duration,
    /// Its queue.
    pub queue: String,
    /// Its name.
    pub name: Option<String>,
    /// Its urgency.
    pub priority: i16,
    /// When it was due.
    pub eta: Timestamp,
    /// Packed [`crate::task::TaskOptions`].
    pub options: Option<Vec<u8>>,
    /// The invocation.
    pub payload: Vec<u8>,
}

/// The answer to a [`Turn`].
#[derive(Clone, Debug, Default)]
pub struct Turned {
    /// Aligned with [`Turn::settle`].
    pub settled: Vec<Settled>,
    /// Claimed tasks, most urgent first. Fewer than wanted means that there were no more.
    pub claims: Vec<Claim>,
    /// How long until the next scheduled task is due, if there is one.
    pub next: Option<Duration>,
    /// Tasks of this worker that somebody wants cancelled.
    pub cancels: Vec<TaskId>,
}

/// A task as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRecord {
    /// Its identity.
    pub id: TaskId,
    /// Its queue.
    pub queue: String,
    /// Its name.
    pub name: Option<String>,
    /// Its label.
    pub tag: Option<String>,
    /// Where it stands.
    pub state: TaskState,
    /// Lower runs first.
    pub priority: i16,
    /// When it is or was due.
    pub eta: Timestamp,
    /// Attempts spent, the running one included.
    pub attempt: u32,
    /// How often it was claimed.
    pub epoch: i64,
    /// How often a process died under it.
    pub crashes: u32,
    /// When it was added.
    pub created: Timestamp,
    /// When it came to its end.
    pub finished: Option<Timestamp>,
    /// Who has it.
    pub worker: Option<WorkerId>,
    /// Why it is held.
    pub hold: Option<Hold>,
    /// The last error.
    pub error: Option<String>,
    /// Packed [`crate::task::TaskOptions`].
    pub options: Option<Vec<u8>>,
    /// The invocation.
    pub payload: Vec<u8>,
    /// The packed value, while it is kept.
    pub result: Option<Vec<u8>>,
}

/// Which tasks to list; every field that is set narrows the choice.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<TaskState>,
    /// In this queue.
    pub queue: Option<String>,
    /// With this name.
    pub name: Option<String>,
    /// Whose payload begins with these bytes (see [`crate::codec::invocation_prefix`]).
    pub payload_prefix: Option<Vec<u8>>,
    /// Beyond this one, in the direction of the listing.
    pub beyond: Option<TaskId>,
    /// The direction.
    pub order: Order,
    /// At most so many; 0 means none.
    pub limit: usize,
}

/// The direction of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// From the oldest to the newest.
    #[default]
    OldestFirst,
    /// From the newest to the oldest.
    NewestFirst,
}

/// How many tasks of a queue are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The queue.
    pub queue: String,
    /// The state.
    pub state: TaskState,
    /// How many.
    pub tasks: u64,
}

/// A worker as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRecord {
    /// Its number.
    pub id: WorkerId,
    /// Its name.
    pub name: String,
    /// When it enlisted.
    pub enlisted: Timestamp,
    /// When its lease runs out unless it beats.
    pub lease_until: Timestamp,
    /// What it can run.
    pub functions: Vec<String>,
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
    /// Make it ready now, with its attempts counted anew: held, failed, cancelled and scheduled tasks.
    Retry,
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
    /// How long a name stays taken after its task came to an end; one hour.
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
