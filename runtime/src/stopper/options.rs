//! How a task is to be started. It never starts one.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::Span;

/// What [`Stopper::run_async_task_with`](super::Stopper::run_async_task_with) is to do beyond running.
///
/// ```
/// use std::sync::Arc;
/// use delay::stopper::{TaskOptions, TaskSpan, Wait};
/// use tokio::sync::Semaphore;
///
/// let at_most_four = Arc::new(Semaphore::new(4));
/// let options = TaskOptions::new("thumbnail").span(TaskSpan::Child).limit(&at_most_four, Wait::Yes);
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a task is started with them"]
pub struct TaskOptions {
    pub(super) name: &'static str,
    pub(super) span: TaskSpan,
    pub(super) limit: Option<(Arc<Semaphore>, Wait)>,
    pub(super) cancel: Option<CancellationToken>,
}

impl TaskOptions {
    /// A task that starts at once, in a span that follows from the caller's.
    pub fn new(name: &'static str) -> Self {
        Self { name, span: TaskSpan::default(), limit: None, cancel: None }
    }

    /// How the task's span relates to the caller's.
    pub fn span(mut self, span: TaskSpan) -> Self {
        self.span = span;
        self
    }

    /// Runs only with a permit of `semaphore`, which is given back when the task has ended.
    pub fn limit(mut self, semaphore: &Arc<Semaphore>, wait: Wait) -> Self {
        self.limit = Some((Arc::clone(semaphore), wait));
        self
    }

    /// Does not start once `token` is cancelled, not even if a permit is free. A task that runs is left alone: it has
    /// to watch the token itself.
    pub fn cancelled_by(mut self, token: &CancellationToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }
}

/// What a limited task does when no permit is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Waits for one.
    Yes,
    /// Gives up at once: [`RunError::Throttled`](super::RunError::Throttled).
    No,
}

/// How a task's span relates to the span that started it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskSpan {
    /// A trace of its own that names the caller's span as its cause. For work that outlives the call that started it.
    #[default]
    FollowsFrom,
    /// Part of the caller's trace. For work that the caller waits for.
    Child,
    /// A trace of its own that nothing else joins: spans opened in the task are roots, too. For long-lived loops,
    /// whose trace would otherwise grow for as long as they run.
    SterileRoot,
}

impl TaskSpan {
    /// The span for a task that is started now.
    pub(super) fn open(self, name: &'static str) -> Span {
        match self {
            Self::FollowsFrom => {
                let span = tracing::info_span!(parent: None, "task", name);
                span.follows_from(Span::current());
                span
            }
            Self::Child => tracing::info_span!("task", name),
            Self::SterileRoot => tracing::info_span!(parent: None, "task", name),
        }
    }
}
