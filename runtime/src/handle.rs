//! The handle on a task that was added: what became of it, its value, and taking it back.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::codec;
use crate::error::{Error, Kind, Result};
use crate::id::TaskId;
use crate::outcome::Hold;
use crate::store::{Acted, Action, TaskRecord};
use crate::task::TaskState;

/// A task that was added. `T` is what its function returns, if the function keeps results (`keep_result = "1d"`), and
/// `()` if not.
pub struct Handle<T> {
    id: TaskId,
    client: Option<Client>,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self::new(self.id, self.client.clone())
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.id)
    }
}

impl Client {
    /// A handle on a task that somebody else added; `T` is what its function returns.
    #[must_use]
    pub fn handle<T>(&self, id: TaskId) -> Handle<T> {
        Handle::new(id, Some(self.clone()))
    }
}

impl<T> Handle<T> {
    pub(crate) fn new(id: TaskId, client: Option<Client>) -> Self {
        Self { id, client, value: PhantomData }
    }

    /// The task's id. Give it to [`Client::handle`] to have the handle again, in any process.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.id
    }

    fn client(&self) -> Result<&Client> {
        self.client.as_ref().ok_or_else(|| {
            let text = "the task was added in a transaction of yours: once it is committed, ask with \
                        `client.handle(handle.id())`";
            Error::about(Kind::WrongState, self.id, text)
        })
    }

    /// What the store knows of the task.
    ///
    /// # Errors
    /// [`Error::is_unknown_task`] if it is gone, or if the store cannot be asked.
    pub async fn record(&self) -> Result<TaskRecord> {
        let found = self.client()?.store().get(vec![self.id]).await?.pop().flatten();
        found.ok_or_else(|| {
            let text = format!("there is no task {}: it was deleted, or was not kept any longer", self.id);
            Error::about(Kind::UnknownTask, self.id, text)
        })
    }

    /// Makes a task ready again that has failed, was cancelled, is held, or waits for its time; its attempts are counted
    /// anew.
    ///
    /// # Errors
    /// [`Error::is_wrong_state`] if it is ready, runs or has succeeded, [`Error::is_unknown_task`] if it is gone.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the task made ready or not.
    pub async fn retry(&self) -> Result<()> {
        self.act(Action::Retry, "retried").await
    }

    async fn act(&self, action: Action, done: &str) -> Result<()> {
        let acted = self.client()?.store().act(action, vec![self.id]).await?.pop();
        match acted.unwrap_or(Acted::Unknown) {
            Acted::Done | Acted::Asked => Ok(()),
            Acted::Unknown => {
                Err(Error::about(Kind::UnknownTask, self.id, format!("there is no task {}", self.id)))
            }
            Acted::Wrong(state) => {
                let text = format!("task {} cannot be {done}: it is {state}", self.id);
                Err(Error::about(Kind::WrongState, self.id, text))
            }
        }
    }

    /// Takes the task back: one that waits is cancelled at once, a running one is asked to end (an `async` function is
    /// dropped at its next await, a plain one sees it in [`Context::is_stopping`](crate::Context::is_stopping)).
    ///
    /// # Errors
    /// [`Error::is_wrong_state`] if it has come to its end already, [`Error::is_unknown_task`] if it is gone.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the task cancelled or not.
    pub async fn cancel(&self) -> Result<()> {
        self.act(Action::Cancel, "cancelled").await
    }

    /// Waits until the task has come to its end, or is held and needs somebody to act, and says which.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    ///
    /// # Cancel safety
    /// Cancel safe: waiting changes nothing.
    pub async fn finished(&self) -> Result<TaskRecord> {
        /// For stores that another machine writes: there is no signal to rely on.
        const LOOK_AGAIN: Duration = Duration::from_secs(1);
        let client = self.client()?;
        loop {
            let signal = client.store().signals().finished(self.id);
            let record = self.record().await?;
            if record.state.is_finished() || record.state == TaskState::Held {
                return Ok(record);
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, signal).await;
        }
    }

    /// Waits until the task has come to its end, and gives what the function returned.
    ///
    /// A task that keeps being retried is waited for; bound the wait with [`tokio::time::timeout`].
    ///
    /// # Errors
    /// [`Error::is_task_failed`], [`Error::is_task_cancelled`] and [`Error::is_task_held`] with the reason, [`Error::is_result_gone`] if the
    /// value was not kept, [`Error::is_unknown_task`] if the task itself was not.
    ///
    /// # Cancel safety
    /// Cancel safe: waiting changes nothing.
    pub async fn result(&self) -> Result<T>
    where
        T: DeserializeOwned + Send,
    {
        let record = self.finished().await?;
        let reason = record.error.unwrap_or_default();
        match record.state {
            TaskState::Failed => Err(Error::about(
                Kind::TaskFailed,
                self.id,
                format!("the task failed in attempt {}: {reason}", record.attempt),
            )),
            TaskState::Held => {
                let why = record.hold.map_or("held", Hold::as_str);
                let text = format!("the task is held ({why}): {reason}");
                Err(Error::about(Kind::TaskHeld, self.id, text))
            }
            TaskState::Cancelled => {
                Err(Error::about(Kind::TaskCancelled, self.id, format!("the task was cancelled: {reason}")))
            }
            _ => match record.result {
                Some(value) => codec::from_slice(&value)
                    .map_err(|error| Error::with_source(Kind::Decode, "the kept value has another type", error)),
                // Only `()` can be read from nothing.
                None => codec::to_vec(&()).ok().and_then(|unit| codec::from_slice(&unit).ok()).ok_or_else(|| {
                    let text = "the task succeeded, but its value was not kept: write `keep_result = \"1d\"` in its \
                                attribute";
                    Error::about(Kind::ResultGone, self.id, text)
                }),
            },
        }
    }
}
