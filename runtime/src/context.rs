//! What a delayed function knows about its attempt, and how it enqueues further ones.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::client::{Added, Client};
use crate::draft::Draft;
use crate::enqueue::Enqueue;
use crate::error::Result;
use crate::id::TaskId;
use crate::states::States;
use crate::store::Fence;
use crate::time::Timestamp;

/// The first parameter of every delayed function. Cheap to clone.
///
/// ```
/// use delay::Context;
///
/// #[delay::func("context-example")]
/// async fn import(ctx: &Context, url: String) {
///     println!("attempt {} of task {}: {url}", ctx.attempt(), ctx.task());
///     if let Some(tenant) = ctx.headers().get("tenant") {
///         println!("for {tenant}");
///     }
///     tokio::select! {
///         () = ctx.stopping() => println!("the process is about to stop"),
///         () = async { /* the work */ } => {}
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    facts: Facts,
    client: Client,
    states: States,
    stopping: CancellationToken,
    cancelled: AtomicBool,
}

/// What is known of an attempt when it begins.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) task: TaskId,
    /// What the attempt's writes carry.
    pub(crate) fence: Fence,
    pub(crate) function: &'static str,
    pub(crate) queue: String,
    pub(crate) name: Option<String>,
    pub(crate) attempt: u32,
    pub(crate) eta: Timestamp,
    pub(crate) headers: Headers,
    pub(crate) deadline: Option<Instant>,
}

impl Context {
    pub(crate) fn new(facts: Facts, client: Client, states: States, stopping: CancellationToken) -> Self {
        Self(Arc::new(Inner { facts, client, states, stopping, cancelled: AtomicBool::new(false) }))
    }

    /// The task's id: the same in every attempt, so it serves as an idempotency key.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.0.facts.task
    }

    /// The right of this attempt to write about its task.
    #[cfg_attr(not(any(feature = "wasmi", feature = "wasmtime")), allow(dead_code))]
    pub(crate) fn fence(&self) -> Fence {
        self.0.facts.fence
    }

    /// The function's identity.
    #[must_use]
    pub fn function(&self) -> &'static str {
        self.0.facts.function
    }

    /// The queue that the task waited in.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.0.facts.queue
    }

    /// The task's name, if it was given one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.facts.name.as_deref()
    }

    /// Which attempt this is; the first is 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.facts.attempt
    }

    /// When the task was due.
    #[must_use]
    pub fn eta(&self) -> SystemTime {
        self.0.facts.eta.into()
    }

    /// The time that a schedule called the function for, which is the same in every attempt, late or not; none if it
    /// was called by somebody.
    ///
    /// ```
    /// use delay::Context;
    /// use std::time::{Duration, SystemTime};
    ///
    /// const DAY: Duration = Duration::from_secs(86_400);
    ///
    /// #[delay::func("tick-example", cron = "0 3 * * *")]
    /// async fn report(ctx: &Context) {
    ///     let end = ctx.tick().unwrap_or_else(SystemTime::now);
    ///     println!("what happened from {:?} to {end:?}", end - DAY);
    /// }
    /// ```
    #[cfg(feature = "cron")]
    #[must_use]
    pub fn tick(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339(self.headers().get(crate::cron::header::TICK)?).ok()
    }

    /// The headers that the task was given.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.0.facts.headers
    }

    /// When this attempt is given up, if its time is limited.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.0.facts.deadline
    }

    /// Waits until the worker begins to stop. A function that takes long can then save what it has and return early;
    /// one that does not is dropped at the end of the grace period, and its attempt is given back.
    ///
    /// # Cancel safety
    /// Cancel safe: waiting changes nothing.
    pub async fn stopping(&self) {
        self.0.stopping.cancelled().await;
    }

    /// Whether the worker is stopping or the task is to be cancelled: for plain functions, which cannot wait for
    /// [`stopping`](Self::stopping), to ask now and then.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        // Relaxed: a hint that is asked again; nothing is published with it.
        self.0.stopping.is_cancelled() || self.0.cancelled.load(Ordering::Relaxed)
    }

    pub(crate) fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// The client that the worker uses.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// The state of type `T` that the runtime was given, if it was.
    #[must_use]
    pub fn state<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.states.get::<T>()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.facts.fmt(f)
    }
}

impl Enqueue for &Context {
    async fn enqueue(self, drafts: Vec<Draft>) -> Result<Added> {
        self.client().enqueue(drafts).await
    }
}

/// What an expansion asks for a `#[state]` parameter. The worker does not start without it.
#[must_use]
pub fn state<T: Any + Send + Sync>(ctx: &Context) -> &T {
    ctx.state().unwrap_or_else(|| panic!("no state of type {} was provided", type_name::<T>()))
}

/// Names and values that came with a task. Names are case-insensitive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The first value under this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All pairs, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_are_case_insensitive_and_the_first_value_counts() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = Headers::new(vec![pair("X-Tenant", "1"), pair("x-tenant", "2")]);
        assert_eq!(headers.get("x-TENANT"), Some("1"));
        assert_eq!(headers.get("tenant"), None);
        assert_eq!(headers.iter().count(), 2);
    }
}
