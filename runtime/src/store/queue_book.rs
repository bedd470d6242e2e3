//! The queues' part of the store port: configurations, figures, and queues that are pulled from.
//!
//! A queue without a configuration is not limited, and no verb pays for those that have one. A configuration holds over
//! all workers of all machines, by the store's clock:
//! - A claim takes a token for each task from a queue with a rate, retries too, and no more tasks than may run at once.
//! - Nothing is claimed from a queue that is paused, stopped, or for pulling, whoever asks.
//! - [`Queues::All`](super::Queues) leaves queues with a target to whoever names them: a dispatcher.

use std::time::Duration;

use super::{Inspect, Pending, TaskRecord};
use crate::codec;
use crate::error::{Error, Kind, Result};
use crate::id::TaskId;
use crate::limits::quoted;
pub use crate::queues::Resume;
use crate::queues::{self, Change, DEFAULT_QUEUE, Mode, QueueConfig};
use crate::retry::Retry;
use crate::task::TaskOptions;
use crate::time::Timestamp;

/// Reads about queues.
pub trait QueueBook: Inspect {
    /// The queues that have a configuration, by name.
    fn queue_configs(&self) -> Pending<'_, Vec<QueueConfig>>;

    /// What goes on in these queues, aligned.
    fn queue_stats(&self, queues: Vec<String>) -> Pending<'_, Vec<QueueStats>>;
}

/// What operators do to queues, and consumers to the tasks of those that are pulled from.
pub trait QueueDesk {
    /// Changes configurations, all or nothing, and says what has changed.
    fn configure(&self, edit: QueueEdit) -> Pending<'_, Vec<Change>>;

    /// Leases tasks that are due: the earliest first, by (eta, name), a task without a name by its id. Until the lease
    /// runs out their eta is its end, so that nobody else gets them. Each lease counts as an attempt and raises the
    /// epoch; a task whose retries are used up is not handed out, and fails.
    ///
    /// # Errors
    /// [`Error::is_unknown_queue`], [`Error::is_invalid_queue_mode`], [`Error::is_queue_paused`].
    fn lease(&self, order: LeaseOrder) -> Pending<'_, Vec<TaskRecord>>;

    /// Changes leases, or ends tasks that are leased; aligned answers.
    ///
    /// # Errors
    /// As [`lease`](Self::lease).
    fn settle_leases(&self, queue: String, settle: Vec<LeaseEnd>) -> Pending<'_, Vec<LeaseEnded>>;

    /// Removes tasks, by name or, those without one, by id. Their names stay taken for the tombstone time. A running
    /// one is taken back from its worker instead.
    fn forget(&self, queue: String, names: Vec<String>) -> Pending<'_, Vec<Forgotten>>;

    /// Removes up to `batch` tasks of a queue that have not come to their end, as [`forget`](Self::forget) does, and
    /// says how many; running ones are taken back from their workers, and not counted.
    fn purge(&self, queue: String, batch: usize) -> Pending<'_, u64>;
}

/// What goes on in a queue.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Tasks that have not come to their end: ready, scheduled, running, leased and held.
    pub tasks: u64,
    /// The earliest eta of these.
    pub oldest_eta: Option<Timestamp>,
    /// Tasks that succeeded or failed within the last minute and are still kept.
    pub executed_last_minute: u64,
    /// Tasks that are running, or leased.
    pub in_flight: u64,
    /// How many tasks per second may be dispatched: the rate, or 0 if the queue is paused. `None`: as many as can be.
    pub enforced_rate: Option<f64>,
}

/// A change of configurations.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueEdit {
    /// These queues take the place of those that there are.
    Apply {
        /// The queues.
        queues: Vec<QueueConfig>,
        /// Whether those that an operator has paused go on.
        resume: Resume,
    },
    /// An operator stops a queue; its tasks stay.
    Pause(String),
    /// An operator lets a queue go on.
    Resume(String),
}

impl QueueEdit {
    /// What it changes.
    pub(crate) fn changes(&self, current: &[QueueConfig]) -> Vec<Change> {
        match self {
            Self::Apply { queues, resume } => queues::plan(current, queues.clone(), *resume),
            Self::Pause(queue) => queues::pause(current, queue).into_iter().collect(),
            Self::Resume(queue) => queues::resume(current, queue).into_iter().collect(),
        }
    }
}

/// What to lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseOrder {
    /// From where.
    pub queue: String,
    /// How many, at most.
    pub most: usize,
    /// For how long.
    pub length: Duration,
    /// Which.
    pub tag: Tagged,
}

/// Which tasks to lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tagged {
    /// All.
    Any,
    /// Those that have the tag of the earliest task, or none if that has none.
    LikeTheEarliest,
    /// Those that have this tag.
    With(String),
}

/// What is to become of a leased task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseEnd {
    /// The task.
    pub id: TaskId,
    /// The epoch that the lease raised.
    pub epoch: i64,
    /// What to do.
    pub to: LeaseTo,
}

/// What a leased task comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseTo {
    /// It stays leased for so long from now; for no time: it is given back.
    Last(Duration),
    /// It is done.
    Done,
}

/// What became of a [`LeaseEnd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEnded {
    /// The lease ends then.
    Until(Timestamp),
    /// The task is done.
    Done,
    /// Nothing: the lease had run out.
    Lost,
}

/// What became of a task that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// It is removed.
    Done,
    /// The worker that runs it has been asked to drop it.
    Asked,
    /// There is none.
    Unknown,
    /// It has come to its end already, and its name is still taken.
    Tombstoned,
}

/// Whether a queue can be leased from.
pub(crate) fn check_pull<'a>(queue: &str, config: Option<&'a QueueConfig>) -> Result<&'a QueueConfig> {
    let shown = quoted(queue);
    match config {
        None if queue == DEFAULT_QUEUE => Err(Error::new(Kind::InvalidQueueMode, not_pull(&shown))),
        None => Err(unknown_queue(queue)),
        Some(config) if config.mode != Mode::Pull => {
            Err(Error::new(Kind::InvalidQueueMode, not_pull(&shown)))
        }
        Some(config) if config.is_paused() => {
            let text = format!("the queue {shown} is paused: resume it with `delay queues resume {queue}`");
            Err(Error::new(Kind::QueuePaused, text))
        }
        Some(config) => Ok(config),
    }
}

fn not_pull(shown: &str) -> String {
    format!("the queue {shown} is not for pulling: its configuration has to say `mode: pull`")
}

/// The error for a queue that nobody has configured.
pub(crate) fn unknown_queue(queue: &str) -> Error {
    let shown = quoted(queue);
    Error::new(
        Kind::UnknownQueue,
        format!("no queue {shown} is configured: name it in `queue.yaml` or `delay.toml` and apply that"),
    )
}

/// What the task's own options say of retries, or else its queue.
pub(crate) fn retry_of(options: Option<&[u8]>, queue: Option<Retry>) -> Option<Retry> {
    let own = options.and_then(|options| codec::from_slice::<TaskOptions>(options).ok());
    own.and_then(|options| options.retry).or(queue)
}

/// Whether a task that was leased `attempts` times, the first time `age` ago, may not be leased again.
pub(crate) fn is_exhausted(
    options: Option<&[u8]>,
    queue: Option<Retry>,
    attempts: u32,
    age: Duration,
) -> bool {
    attempts > 0 && retry_of(options, queue).is_some_and(|retry| !retry.allows(attempts, age))
}

/// What such a task says.
pub(crate) fn exhausted_text(attempts: u32) -> String {
    format!("it was leased {attempts} times and never done, and its retries are used up")
}
