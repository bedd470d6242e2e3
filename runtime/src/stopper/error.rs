//! What a stopper's calls can come to besides success, each with a message that says what to do.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::task_map::TaskMap;

/// The work was refused; it was dropped without having run, not even in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    name: &'static str,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Quiescing,
    SemaphoreClosed,
}

impl Unavailable {
    pub(super) fn quiescing(name: &'static str) -> Self {
        Self { name, why: Why::Quiescing }
    }

    pub(super) fn semaphore_closed(name: &'static str) -> Self {
        Self { name, why: Why::SemaphoreClosed }
    }

    /// The name of what was refused.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match self.why {
            Why::Quiescing => {
                write!(
                    f,
                    "`{name}` did not start: the stopper is quiescing and takes no new work; hand it to another process or keep it for the next start"
                )
            }
            Why::SemaphoreClosed => {
                write!(f, "`{name}` did not start: the semaphore that limits it was closed")
            }
        }
    }
}

impl Error for Unavailable {}

/// Why a task that may be limited or cancelled did not start. In every case nothing of it has run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError {
    /// The stopper quiesces, or the semaphore was closed.
    Unavailable(Unavailable),
    /// No permit was free, and the task was not to wait for one.
    Throttled {
        /// The task's name.
        name: &'static str,
    },
    /// The task's token was cancelled before it could start.
    Cancelled {
        /// The task's name.
        name: &'static str,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(unavailable) => unavailable.fmt(f),
            Self::Throttled { name } => {
                write!(
                    f,
                    "`{name}` did not start: as many as its semaphore allows run already; try later, or wait with `Wait::Yes`"
                )
            }
            Self::Cancelled { name } => write!(f, "`{name}` did not start: its token was cancelled first"),
        }
    }
}

// No `source`: `Display` says all that the inner error has to say.
impl Error for RunError {}

impl From<Unavailable> for RunError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

/// A panic that [`Stopper::recover`](super::Stopper::recover) caught.
pub struct TaskPanic {
    name: &'static str,
    message: Option<String>,
    /// Never locked: the lock is what makes a payload that is only `Send` fit into an error that is `Sync`.
    payload: Mutex<Box<dyn Any + Send>>,
}

impl TaskPanic {
    pub(super) fn new(name: &'static str, payload: Box<dyn Any + Send>) -> Self {
        let message = match payload.downcast_ref::<String>() {
            Some(message) => Some(message.clone()),
            None => payload.downcast_ref::<&'static str>().map(|message| (*message).to_owned()),
        };
        Self { name, message, payload: Mutex::new(payload) }
    }

    /// The name of the task.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The very value that the task panicked with, as for [`std::panic::resume_unwind`].
    #[must_use]
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message.as_deref().unwrap_or("with a payload that is not text");
        write!(f, "`{}` panicked: {message}", self.name)
    }
}

impl fmt::Debug for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskPanic")
            .field("name", &self.name)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl Error for TaskPanic {}

/// What had not ended when [`Stopper::stop_within`](super::Stopper::stop_within) gave up. The stop itself goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StillRunning {
    /// How long it waited, the time after cancelling included.
    pub waited: Duration,
    /// Tasks that still run. What is run in place or under an admission cannot be cancelled from outside.
    pub tasks: TaskMap,
    /// Workers that still run.
    pub workers: TaskMap,
    /// Closers that still run.
    pub closers: TaskMap,
}

impl fmt::Display for StillRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not stopped after {:?}", self.waited)?;
        let mut before = ", still running: ";
        for (kind, running) in
            [("tasks", &self.tasks), ("workers", &self.workers), ("closers", &self.closers)]
        {
            if !running.is_empty() {
                write!(f, "{before}{kind} [{running}]")?;
                before = ", ";
            }
        }
        if !self.tasks.is_empty() {
            f.write_str("; let them watch `quiescing()`, and await often enough to be cancelled")?;
        }
        Ok(())
    }
}

impl Error for StillRunning {}
