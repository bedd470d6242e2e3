//! What workers and stores say to each other: who works, what is claimed, what it came to.

use std::sync::Arc;
use std::time::Duration;

use crate::id::TaskId;
use crate::outcome::Transition;
use crate::retry::Retry;
use crate::time::Timestamp;

/// What became of one pushed task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is in the store, or was: whoever did not hear the answer may ask again.
    Added,
    /// Another task has its name, or had it within the tombstone time: that one's id.
    NameTaken(TaskId),
}

impl Pushed {
    /// A name is taken by `holder`. If that is the task itself, it was added before, whatever has become of it since.
    pub(crate) fn of_name(holder: TaskId, task: TaskId) -> Self {
        if holder == task { Self::Added } else { Self::NameTaken(holder) }
    }
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
    /// Whether what is kept of the task may be too large to be kept with others; the store's own affair.
    pub large: bool,
    /// Which limits are to be told that the attempt has ended, 0 if its queue has none; the store's own affair.
    pub limit: i64,
}

impl Fence {
    /// Of a store that knows nothing more of it, or of none.
    pub(crate) fn new(id: TaskId, epoch: i64, named: bool) -> Self {
        Self { id, epoch, named, row: 0, large: false, limit: 0 }
    }
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
    /// When it runs again by the configuration of its queue, if that says so; the task's own options go before it.
    pub retry: Option<Retry>,
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
    /// How long until the next scheduled task is due, or until the limits of a queue let more of its tasks go, if
    /// either is to be waited for.
    pub next: Option<Duration>,
    /// Tasks of this worker that somebody wants cancelled.
    pub cancels: Vec<TaskId>,
}
