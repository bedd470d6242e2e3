//! The stub's half of a call: from typed arguments to a task.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;

use crate::client::Client;
use crate::codec::InvocationWriter;
use crate::draft::{Content, Draft};
use crate::enqueue::{Drafted, Enqueue};
use crate::error::{Error, Kind, Result};
use crate::handle::Handle;
use crate::id::TaskId;
use crate::limits::{check_name, check_queue};
use crate::registry::{Function, Options, Registration};
use crate::retry::Retry;
use crate::task::Due;
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

    /// A call of a function that can do without arguments.
    #[cfg(feature = "cron")]
    pub(crate) fn without_arguments(registration: &'static Registration) -> Self {
        Self { registration, writer: InvocationWriter::new(registration.function, 0) }
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
    pub fn task<T>(self) -> TaskBuilder<T> {
        let Registration { function, options, .. } = self.registration;
        let mut draft = blank(function, options);
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

/// A call of a function of which nothing is written down yet but its options.
fn blank(function: &'static str, options: &Options) -> Draft {
    let mut draft = Draft::new(function, Content::Call);
    (draft.task.queue, draft.task.priority) = (Cow::Borrowed(options.queue), options.priority);
    draft
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

impl TaskBuilder<()> {
    /// A task that is no call.
    pub(crate) fn of(draft: Draft) -> Self {
        Self { draft, value: PhantomData }
    }
}

impl<T> TaskBuilder<T> {
    /// A call whose payload is written already, or cannot be.
    #[cfg(any(feature = "wasmi", feature = "wasmtime"))]
    pub(crate) fn packed(function: &'static str, options: &Options, payload: Result<Vec<u8>>) -> Self {
        let mut draft = blank(function, options);
        match payload {
            Ok(payload) => draft.task.payload = payload,
            Err(error) => draft.mistake(error),
        }
        Self { draft, value: PhantomData }
    }

    /// Runs it no sooner than this long after it was added: a [`Duration`](std::time::Duration), or a text such as
    /// `"90s"`.
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
        self.draft.options().headers.push((name.into(), value.into()));
        self
    }

    /// Labels it.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        let tag = tag.into();
        if tag.len() > 500 {
            let text = format!("the tag takes {} bytes, 500 are allowed", tag.len());
            self.draft.mistake(Error::new(Kind::InvalidTag, text));
        }
        self.draft.task.tag = Some(tag);
        self
    }

    /// Uses this retry policy instead of the function's.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.draft.options().retry = Some(retry);
        self
    }

    /// Uses this time limit per attempt instead of the function's.
    pub fn timeout(mut self, timeout: impl IntoDuration) -> Self {
        match timeout.into_duration() {
            Ok(timeout) => self.draft.options().timeout = Some(timeout),
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
}

impl<T> TaskBuilder<T> {
    /// Adds the task, or, if one of its name was added before, gives that one's handle: the way to start something
    /// once and wait for it from anywhere.
    ///
    /// # Errors
    /// As [`add`](Self::add), but for a name that is taken.
    ///
    /// # Cancel safety
    /// As [`add`](Self::add).
    pub async fn add_or_get(self, client: &Client) -> Result<Handle<T>> {
        match self.add(client).await {
            Err(error) if error.is_already_added() => {
                let holder = error.task();
                holder.map(|id| client.handle(id)).ok_or(error)
            }
            added => added,
        }
    }
}

impl<T> Drafted for TaskBuilder<T> {
    type Value = T;

    fn into_draft(self) -> Draft {
        self.draft
    }
}
