//! The stub's half of a call: from typed arguments to a task, and the handle that comes back.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Client, Enqueue};
use crate::codec::{self, InvocationWriter};
use crate::error::{Error, Kind, Result};
use crate::limits::{Limits, check_name, check_queue};
use crate::registry::{Function, Registration};
use crate::retry::Retry;
use crate::store::{Acted, Action, TaskRecord};
use crate::task::{Due, Task, TaskId, TaskOptions, TaskState};
use crate::time::{IntoDuration, Timestamp};

/// A call being written down, argument by argument. Stubs use it; nobody else needs to.
#[derive(Debug)]
pub struct Call {
    registration: &'static Registration,
    writer: InvocationWriter,
}

impl Call {
    /// A call of `F`.
    #[must_use]
    pub fn of<F: Function>() -> Self {
        let registration = F::registration();
        let writer = InvocationWriter::new(registration.function, registration.parameters.len());
        Self { registration, writer }
    }

    /// The next argument.
    #[must_use]
    pub fn argument<T: Serialize + ?Sized>(mut self, name: &'static str, value: &T) -> Self {
        self.writer.argument(name, value);
        self
    }

    /// The last argument of a function that takes any number of them.
    #[must_use]
    pub fn rest<T: Serialize>(mut self, name: &'static str, values: impl IntoIterator<Item = T>) -> Self {
        self.writer.rest(name, values);
        self
    }

    /// The task, to be given options and added.
    #[must_use]
    pub fn task<T>(self) -> TaskBuilder<T> {
        let Registration { function, options, .. } = self.registration;
        let mut draft = Draft {
            function,
            task: Task {
                id: TaskId::new(),
                queue: Cow::Borrowed(options.queue),
                name: None,
                due: Due::Now,
                priority: options.priority,
                tag: None,
                options: None,
                payload: Vec::new(),
            },
            options: TaskOptions::default(),
            largest: None,
            mistake: None,
        };
        match self.writer.finish() {
            Ok(encoded) => {
                draft.task.payload = encoded.bytes;
                draft.largest = encoded.largest;
            }
            Err(error) => {
                let text = format!("{function}: an argument cannot be stored");
                draft.mistake = Some(Error::with_source(Kind::Encode, text, error));
            }
        }
        TaskBuilder { draft, value: PhantomData }
    }
}

/// A task on its way out of a stub, not yet checked.
#[derive(Debug)]
pub struct Draft {
    function: &'static str,
    task: Task,
    options: TaskOptions,
    largest: Option<(&'static str, usize)>,
    /// The first mistake; told when the task is added, so that building reads as one chain.
    mistake: Option<Error>,
}

impl Draft {
    pub(crate) fn id(&self) -> TaskId {
        self.task.id
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.task.name.as_deref()
    }

    pub(crate) fn queue(&self) -> &str {
        &self.task.queue
    }

    fn mistake(&mut self, error: Error) {
        self.mistake.get_or_insert(error);
    }

    /// The task itself, if it may go in.
    pub(crate) fn check(mut self, limits: &Limits) -> Result<Task> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let size = self.task.payload.len();
        if size > limits.payload {
            let largest = self.largest.map_or_else(String::new, |(name, size)| {
                format!("; its largest argument, `{name}`, takes {size}")
            });
            let text = format!(
                "{}: the call takes {size} bytes, {} are allowed{largest}: store large data elsewhere and pass a \
                 reference to it, or raise `Limits::payload`",
                self.function, limits.payload
            );
            return Err(Error::new(Kind::PayloadTooLarge, text));
        }
        let headers: usize = self.options.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if headers > limits.headers {
            let text = format!(
                "{}: the headers take {headers} bytes, {} are allowed",
                self.function, limits.headers
            );
            return Err(Error::new(Kind::HeadersTooLarge, text));
        }
        if !self.options.is_default() {
            let packed = codec::to_vec(&self.options);
            let packed =
                packed.map_err(|error| Error::with_source(Kind::Encode, "cannot pack the options", error))?;
            self.task.options = Some(packed);
        }
        Ok(self.task)
    }
}

/// A call whose options can be set before it is added. `T` is what the handle will give.
///
/// ```
/// # use delay::Context;
/// # #[delay::func("task-builder-example")]
/// # async fn remind(_ctx: &Context, who: String) {}
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> delay::Result<()> {
/// # let client = delay::Client::open("memory:").await?;
/// Remind::task("ada".into()).delay("1h 30m").name("remind-ada").header("Tenant", "42").add(&client).await?;
/// # Ok(()) }
/// ```
#[must_use = "a task that is not added never runs: end with `.add(ctx).await`"]
pub struct TaskBuilder<T> {
    draft: Draft,
    value: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for TaskBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.draft.fmt(f)
    }
}

impl<T> TaskBuilder<T> {
    /// Runs it no sooner than this long after it was added: a [`Duration`], or a text such as `"90s"`.
    pub fn delay(mut self, delay: impl IntoDuration) -> Self {
        match delay.into_duration() {
            Ok(delay) => self.due(Due::In(delay)),
            Err(error) => {
                self.draft.mistake(error);
                self
            }
        }
    }

    /// Runs it no sooner than at this time, by the store's clock. A time that has passed means now.
    pub fn eta(self, eta: impl Into<Timestamp>) -> Self {
        self.due(Due::At(eta.into()))
    }

    fn due(mut self, due: Due) -> Self {
        if self.draft.task.due != Due::Now {
            let text = "a task has a delay or an eta, not two of them: set one, once";
            self.draft.mistake(Error::new(Kind::InvalidEta, text));
        }
        self.draft.task.due = due;
        self
    }

    /// Puts it into this queue instead of the function's.
    pub fn queue(mut self, queue: impl Into<Cow<'static, str>>) -> Self {
        self.draft.task.queue = queue.into();
        if let Err(error) = check_queue(&self.draft.task.queue) {
            self.draft.mistake(error);
        }
        self
    }

    /// Gives it a name. While a task of this name is pending in the queue, and for the tombstone time after, adding
    /// another is refused with [`Error::is_already_added`]: the way to enqueue something once.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if let Err(error) = check_name(&name) {
            self.draft.mistake(error);
        }
        self.draft.task.name = Some(name);
        self
    }

    /// Lower numbers run first; within one, the order is by eta.
    pub fn priority(mut self, priority: i16) -> Self {
        self.draft.task.priority = priority;
        self
    }

    /// Adds a header, for [`Context::headers`](crate::Context::headers).
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.draft.options.headers.push((name.into(), value.into()));
        self
    }

    /// Labels it.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        let tag = tag.into();
        if tag.len() > 500 {
            let text = format!("the tag takes {} bytes, 500 are allowed", tag.len());
            self.draft.mistake(Error::new(Kind::InvalidOption, text));
        }
        self.draft.task.tag = Some(tag);
        self
    }

    /// Uses this retry policy instead of the function's.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.draft.options.retry = Some(retry);
        self
    }

    /// Uses this time limit per attempt instead of the function's.
    pub fn timeout(mut self, timeout: impl IntoDuration) -> Self {
        match timeout.into_duration() {
            Ok(timeout) => self.draft.options.timeout = Some(timeout),
            Err(error) => self.draft.mistake(error),
        }
        self
    }

    /// The id that the task will have.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.draft.id()
    }

    /// Adds the task; when this returns it is stored, durably.
    ///
    /// # Errors
    /// A mistake in the options, something too large, a name that is taken, or a store that does not take it.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the task added or not.
    pub async fn add(self, ctx: impl Enqueue) -> Result<Handle<T>> {
        let (id, name) = (self.draft.id(), self.draft.name().map(str::to_owned));
        let added = ctx.enqueue(vec![self.draft]).await?;
        let pushed = added.pushed.first().copied();
        let pushed =
            pushed.ok_or_else(|| Error::new(Kind::Other, "the store did not answer for the task"))?;
        added.handle(id, name.as_deref(), pushed)
    }

    pub(crate) fn into_draft(self) -> Draft {
        self.draft
    }
}

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

    /// Takes the task back: one that waits is cancelled at once, a running one is asked to end (an `async` function is
    /// dropped at its next await, a plain one sees it in [`Context::is_stopping`](crate::Context::is_stopping)).
    ///
    /// # Errors
    /// [`Error::is_wrong_state`] if it has come to its end already, [`Error::is_unknown_task`] if it is gone.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the task cancelled or not.
    pub async fn cancel(&self) -> Result<()> {
        let acted = self.client()?.store().act(Action::Cancel, vec![self.id]).await?.pop();
        match acted.unwrap_or(Acted::Unknown) {
            Acted::Done | Acted::Asked => Ok(()),
            Acted::Unknown => {
                Err(Error::about(Kind::UnknownTask, self.id, format!("there is no task {}", self.id)))
            }
            Acted::Wrong(state) => {
                let text = format!("task {} cannot be cancelled: it has {state} already", self.id);
                Err(Error::about(Kind::WrongState, self.id, text))
            }
        }
    }

    /// Waits until the task has come to its end, and says how.
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
            if record.state.is_finished() {
                return Ok(record);
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, signal).await;
        }
    }

    /// Waits until the task has come to its end, and gives what the function returned.
    ///
    /// A task that is held or keeps being retried is waited for; bound the wait with [`tokio::time::timeout`].
    ///
    /// # Errors
    /// [`Error::is_task_failed`] and [`Error::is_task_cancelled`] with the reason, [`Error::is_result_gone`] if the
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
                format!("the task failed after {} attempts: {reason}", record.attempt),
            )),
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
