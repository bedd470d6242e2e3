//! For tests: an environment with a store in memory and a clock that stands still until it is moved. A value, never a
//! global switch, so tests run beside each other.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::client::{Added, Client};
use crate::clock::{Clock, VirtualClock};
use crate::codec::{self, Arguments, Invocation, invocation_prefix};
use crate::draft::Draft;
use crate::enqueue::Enqueue;
use crate::error::Result;
use crate::executor::Executor;
use crate::limits::Limits;
use crate::maintenance::HeldWalk;
use crate::registry::{Function, Registry};
use crate::retry::Retry;
use crate::states::States;
use crate::store::memory::MemoryStore;
use crate::store::{Enlist, Filter, Queues, Retention, Settlement, TaskRecord, Turn, UpkeepRules, WorkerId};
use crate::task::TaskState;
use crate::time::{IntoDuration, Timestamp};

#[cfg(feature = "cron")]
mod ticks;

/// A world of its own: tasks are added to it as to a runtime, and run when the test says so.
///
/// ```
/// use delay::{Context, testing::Env};
///
/// #[delay::func("testing-example")]
/// async fn remind(ctx: &Context, who: String, times: u32) -> delay::Result<()> {
///     if times > 1 {
///         Remind::task(who, times - 1).delay("1h").add(ctx).await?;
///     }
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> delay::Result<()> {
/// let env = Env::new();
/// Remind::call(&env, "Ada".into(), 2).await?;
/// delay::assert_enqueued!(env, Remind, who == "Ada", times == 2);
///
/// assert_eq!(env.drain().await?.succeeded, 1);
/// assert_eq!(env.drain().await?.succeeded, 0); // the second is not due yet
/// env.advance("1h");
/// assert_eq!(env.drain().await?.succeeded, 1);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Env {
    clock: VirtualClock,
    client: Client,
    executor: Executor,
    worker: WorkerId,
    #[cfg(feature = "cron")]
    store: Arc<MemoryStore>,
}

/// What a [`drain`](Env::drain) came to, in attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Attempts that succeeded.
    pub succeeded: usize,
    /// Attempts after which the task waits for another one.
    pub retried: usize,
    /// Attempts after which the task has failed.
    pub failed: usize,
    /// Attempts after which the task was cancelled.
    pub cancelled: usize,
    /// Tasks that cannot run and are held.
    pub held: usize,
}

impl Env {
    /// An environment without state. Its clock shows 2001-09-09T01:46:40Z.
    ///
    /// # Panics
    /// If the linked functions are at odds with each other.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// An environment to be set up first.
    #[must_use]
    pub fn builder() -> EnvBuilder {
        EnvBuilder {
            states: HashMap::new(),
            retry: Retry::DEFAULT,
            #[cfg(feature = "cron")]
            ticks: true,
        }
    }

    /// The client of the environment's store.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &VirtualClock {
        &self.clock
    }

    /// Moves the clock forward; what becomes due waits for the next [`drain`](Self::drain). Schedules tick on the way,
    /// each tick at its time, and their calls wait as well.
    ///
    /// # Panics
    /// If a text is not a duration.
    pub fn advance(&self, by: impl IntoDuration) {
        let by = by.into_duration().expect("a duration such as \"1h\"");
        #[cfg(feature = "cron")]
        self.tick_until(self.clock.now().after(by));
        #[cfg(not(feature = "cron"))]
        self.clock.advance(by);
    }

    /// Runs what is due, one task at a time in the order of the queue, and what these add, until nothing is due any
    /// more. Waits are not waited for: move the clock.
    ///
    /// # Errors
    /// [`is_missing_state`](crate::Error::is_missing_state) if a function needs state that was not provided.
    pub async fn drain(&self) -> Result<Drained> {
        self.executor.registry.check_states(&self.executor.states)?;
        let store = self.client.store();
        #[cfg(feature = "cron")]
        self.executor.schedules.store_next(&self.client).await?;
        store.beat(self.worker).await?;
        store.upkeep(UpkeepRules::default()).await?;
        let mut held = HeldWalk::default();
        while held.step(&**store, &self.executor).await? {}
        let mut drained = Drained::default();
        let mut settle = Vec::new();
        loop {
            let turn = Turn { worker: self.worker, settle, want: 1, queues: Queues::All };
            let Some(claim) = store.turn(turn).await?.claims.pop() else { return Ok(drained) };
            let fence = claim.fence;
            let transition = match self.executor.resolve(claim) {
                Ok(job) => self.executor.run(job, ()).await,
                Err(transition) => transition,
            };
            drained.count(&transition);
            settle = vec![Settlement { fence, transition }];
        }
    }

    /// The tasks of a function that wait to be run, oldest first.
    ///
    /// # Errors
    /// If the store cannot be read, which the memory store always can.
    pub async fn enqueued<F: Function>(&self) -> Result<Vec<Enqueued>> {
        let filter = Filter {
            payload_prefix: Some(invocation_prefix(F::id())),
            limit: usize::MAX,
            ..Filter::default()
        };
        let waiting = |record: &TaskRecord| matches!(record.state, TaskState::Ready | TaskState::Scheduled);
        let records = self.client.store().list(filter).await?;
        Ok(records.into_iter().filter(waiting).map(Enqueued).collect())
    }
}

impl Drained {
    fn count(&mut self, transition: &crate::outcome::Transition) {
        use crate::outcome::Transition as T;
        match transition {
            T::Succeed(_) => self.succeeded += 1,
            T::Retry { .. } | T::Snooze { .. } | T::Refund => self.retried += 1,
            T::Fail { .. } => self.failed += 1,
            T::Cancel { .. } => self.cancelled += 1,
            T::Hold { .. } => self.held += 1,
        }
    }
}

impl Default for Env {
    fn default() -> Self {
        Self::new()
    }
}

impl Enqueue for &Env {
    async fn enqueue(self, drafts: Vec<Draft>) -> Result<Added> {
        self.client.enqueue(drafts).await
    }
}

/// Sets an environment up.
pub struct EnvBuilder {
    states: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    retry: Retry,
    #[cfg(feature = "cron")]
    ticks: bool,
}

impl EnvBuilder {
    /// Provides a value for every `#[state]` parameter of type `T`.
    #[must_use]
    pub fn state<T: Any + Send + Sync>(mut self, state: T) -> Self {
        self.states.insert(TypeId::of::<T>(), Box::new(state));
        self
    }

    /// The retry policy of functions that have none of their own.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The environment.
    ///
    /// # Panics
    /// If the linked functions are at odds with each other.
    #[must_use]
    pub fn build(self) -> Env {
        let registry = Registry::linked().unwrap_or_else(|error| panic!("{}", error.chain()));
        let clock = VirtualClock::new(Timestamp::from_micros(1_000_000_000_000_000));
        let store = MemoryStore::new(Clock::Virtual(clock.clone()), Retention::default());
        // The worker of a test never dies, so its lease is without end.
        let lease = Duration::from_secs(u64::from(u32::MAX));
        let enlist = Enlist { name: "test".to_owned(), lease, functions: registry.identities() };
        let worker = store.enlist_now(enlist);
        let store = Arc::new(store);
        let client = Client::new(store.clone(), Limits::default());
        let executor = Executor {
            #[cfg(feature = "process")]
            apart: None,
            registry,
            client: client.clone(),
            states: States::new(self.states),
            stopping: CancellationToken::new(),
            retry: self.retry,
            #[cfg(feature = "cron")]
            schedules: ticks::schedules(registry, self.ticks),
            #[cfg(feature = "http")]
            courier: None,
        };
        let env = Env {
            clock,
            client,
            executor,
            worker,
            #[cfg(feature = "cron")]
            store,
        };
        #[cfg(feature = "cron")]
        env.store_ticks();
        env
    }
}

impl std::fmt::Debug for EnvBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvBuilder").finish_non_exhaustive()
    }
}

/// A task that waits to be run.
#[derive(Clone, Debug)]
pub struct Enqueued(pub TaskRecord);

impl Enqueued {
    /// The value of an argument, if the call has one of this name and type.
    #[must_use]
    pub fn argument<T: DeserializeOwned + Send>(&self, name: &'static str) -> Option<T> {
        let invocation = Invocation::parse(&self.0.payload).ok()?;
        Arguments::parse(invocation.arguments).ok()?.required(name).ok()
    }

    /// The arguments, as text.
    #[must_use]
    pub fn arguments(&self) -> String {
        crate::codec::describe(&self.0.payload)
    }
}

/// Whether an argument of a call is stored as `expected` would be.
#[doc(hidden)]
#[must_use]
pub fn argument_is(enqueued: &Enqueued, name: &'static str, expected: &impl Serialize) -> bool {
    let Ok(invocation) = Invocation::parse(&enqueued.0.payload) else { return false };
    let Ok(arguments) = Arguments::parse(invocation.arguments) else { return false };
    arguments.raw(name).zip(codec::to_vec(expected).ok()).is_some_and(|(found, expected)| found == expected)
}

/// Fails unless a call of a function with these arguments waits to be run.
///
/// `assert_enqueued!(env, Welcome)`, or with arguments: `assert_enqueued!(env, Welcome, to == "Ada", times == 2)`. They
/// are compared as they are stored, so `"Ada"` will do for a `String` and `2` for any integer.
///
/// Must be used inside an `async` function: it looks into the environment's store.
#[macro_export]
macro_rules! assert_enqueued {
    ($env:expr, $function:ty $(, $argument:ident == $expected:expr)* $(,)?) => {{
        let enqueued = $env.enqueued::<$function>().await.expect("the memory store can be read");
        let found = enqueued.iter().any(|task| {
            let _ = task;
            true $(&& $crate::testing::argument_is(task, ::core::stringify!($argument), &$expected))*
        });
        ::core::assert!(
            found,
            "no task of {} with {} waits; waiting are: {:#?}",
            <$function as $crate::Function>::id(),
            ::core::stringify!($($argument == $expected),*),
            enqueued.iter().map($crate::testing::Enqueued::arguments).collect::<::std::vec::Vec<_>>(),
        );
    }};
}
