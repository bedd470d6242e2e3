//! The runtime: joins a store, the linked functions and a worker, and lives from `open` to the last settled task.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::client::{Added, Client};
use crate::draft::Draft;
use crate::enqueue::Enqueue;
use crate::error::{Error, Kind, Result};
use crate::executor::Executor;
use crate::handle::Handle;
use crate::id::TaskId;
use crate::limits::{Limits, check_queue};
use crate::maintenance;
use crate::registry::Registry;
use crate::retry::Retry;
use crate::schemes;
use crate::states::States;
use crate::stats;
use crate::stopper::{CancelLink, Stopper};
use crate::store::{Queues, Retention, Store, UpkeepRules};
use crate::time::IntoDuration;
use crate::worker::{Pulses, Worker, WorkerConfig};

#[cfg(feature = "http")]
mod doors;
#[cfg(feature = "process")]
mod isolating;
mod name;
#[cfg(feature = "queues")]
mod queueing;
#[cfg(any(feature = "wasmi", feature = "wasmtime"))]
mod programs;
#[cfg(feature = "cron")]
mod scheduling;
mod signals;

pub use signals::shutdown_signal;

/// A store that is open, and the worker that serves it.
///
/// ```no_run
/// use delay::Context;
///
/// #[delay::func("welcome-email")]
/// async fn welcome(_ctx: &Context, to: String) {
///     println!("dear {to}");
/// }
///
/// #[delay::main]
/// async fn main() -> delay::Result<()> {
///     let rt = delay::Runtime::open("sqlite:jobs.db").await?;
///     Welcome::call(&rt, "ada@example.com".into()).await?; // on disk when this returns
///     rt.run().await // works until SIGTERM, then drains
/// }
/// ```
pub struct Runtime {
    client: Client,
    executor: Arc<Executor>,
    config: WorkerConfig,
    rules: UpkeepRules,
    grace: Duration,
    stopper: Stopper,
    pulses: Pulses,
    _stopping: CancelLink,
}

impl Runtime {
    /// Opens a store with the defaults: `sqlite:FILE` or `memory:`.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub async fn open(url: impl Into<String>) -> Result<Self> {
        Self::builder(url).build().await
    }

    /// A runtime to be set up first.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(Source::Url(url.into()))
    }

    /// A runtime on a store that is open already.
    pub fn on(store: Arc<dyn Store>) -> Builder {
        Builder::new(Source::Store(store))
    }

    /// The half that only enqueues; cheap to clone, and outlives the runtime.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A handle on a task that somebody else added; `T` is what its function returns.
    #[must_use]
    pub fn handle<T>(&self, id: TaskId) -> Handle<T> {
        self.client.handle(id)
    }

    /// What the runtime runs under. Give it your own long-running work, and it ends with the runtime.
    #[must_use]
    pub fn stopper(&self) -> &Stopper {
        &self.stopper
    }

    /// Begins to work, in the background, and returns at once. For programs that do something else as well: end them
    /// with [`stop`](Self::stop).
    ///
    /// # Errors
    /// [`Error::is_no_functions`] if no function is linked, [`Error::is_missing_state`] with all that is missing,
    /// [`Error::is_stopping`] if it was stopped before; with functions that want processes of their own,
    /// `Error::is_not_isolated` if the machine does not let them be isolated.
    pub async fn start(&self) -> Result<()> {
        let executor = &self.executor;
        executor.registry.check_not_empty()?;
        executor.registry.check_states(&executor.states)?;
        #[cfg(feature = "process")]
        if let Some(apart) = &executor.apart {
            apart.start().await?;
        }
        let store = Arc::clone(self.client.store());
        let worker = Worker {
            store: Arc::clone(&store),
            executor: Arc::clone(executor),
            stopper: self.stopper.clone(),
            config: self.config.clone(),
        };
        let tend = maintenance::tend(
            store,
            Arc::clone(executor),
            self.stopper.clone(),
            self.config.lease,
            self.rules,
        );
        let started = worker.start("delay::worker", &self.pulses);
        let tended = self.stopper.run_worker("delay::upkeep", tend);
        let sampled = self.stopper.run_worker("delay::stats", stats::sample(self.stopper.clone()));
        let started = started.and(tended.map(drop)).and(sampled.map(drop));
        #[cfg(feature = "cron")]
        let started = started.and_then(|()| self.start_ticker());
        started.map_err(|_| {
            let text = "the runtime is stopping or has stopped: open another one";
            Error::new(Kind::Stopping, text)
        })
    }

    /// Works until SIGTERM or ctrl-c, then drains: it stops claiming, waits for running tasks up to the grace period,
    /// drops what is left, gives it back, and returns. A second signal ends the process at once.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// Dropping the future leaves the worker running; [`stop`](Self::stop) still stops it.
    pub async fn run(&self) -> Result<()> {
        // Before anything runs: a signal that comes from here on drains.
        let mut shutdown = signals::Shutdown::listen();
        self.start().await?;
        tokio::select! {
            signal = shutdown.requested() => {
                tracing::info!(signal, grace = ?self.grace, "stopping; a second signal ends the process at once");
                tokio::select! {
                    stopped = self.stop() => stopped,
                    second = shutdown.requested() => std::process::exit(128 + second),
                }
            }
            () = self.stopper.stopped() => Ok(()),
        }
    }

    /// Stops in order: no more claims; running tasks end, or are dropped after the grace period; what did not finish
    /// is given back without having spent an attempt; the store is closed.
    ///
    /// # Errors
    /// If the store cannot be closed.
    ///
    /// # Cancel safety
    /// Once begun, the stop goes on when this is dropped; only the grace period is not enforced any more.
    pub async fn stop(&self) -> Result<()> {
        match self.stopper.stop_within(self.grace).await {
            Ok(late) if late.is_empty() => {}
            Ok(late) => tracing::warn!(%late, "dropped what was still running, and gave it back"),
            Err(stuck) => {
                tracing::error!(%stuck, "something did not end; its tasks run elsewhere after the lease")
            }
        }
        self.client.store().close().await
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("client", &self.client)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Enqueue for &Runtime {
    async fn enqueue(self, drafts: Vec<Draft>) -> Result<Added> {
        self.client().enqueue(drafts).await
    }
}

enum Source {
    Url(String),
    Store(Arc<dyn Store>),
}

/// Sets a runtime up. Every option has a default that suits most programs.
#[must_use = "end with `.build().await`"]
pub struct Builder {
    source: Source,
    states: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    name: Option<String>,
    concurrency: usize,
    queues: Option<Vec<String>>,
    lease: Duration,
    grace: Duration,
    retry: Retry,
    limits: Limits,
    retention: Retention,
    rules: UpkeepRules,
    registry: Option<&'static Registry>,
    #[cfg(feature = "process")]
    isolation: crate::process::Isolation,
    #[cfg(any(feature = "wasmi", feature = "wasmtime"))]
    programs: programs::Given,
    #[cfg(feature = "cron")]
    scheduled: Vec<scheduling::Scheduled>,
    #[cfg(feature = "queues")]
    queue_file: Option<std::path::PathBuf>,
    mistake: Option<Error>,
}

impl Builder {
    fn new(source: Source) -> Self {
        Self {
            source,
            states: HashMap::new(),
            name: None,
            concurrency: 100,
            queues: None,
            lease: Duration::from_secs(30),
            grace: Duration::from_secs(25),
            retry: Retry::DEFAULT,
            limits: Limits::default(),
            retention: Retention::default(),
            rules: UpkeepRules::default(),
            registry: None,
            #[cfg(feature = "process")]
            isolation: crate::process::Isolation::default(),
            #[cfg(any(feature = "wasmi", feature = "wasmtime"))]
            programs: programs::Given::default(),
            #[cfg(feature = "cron")]
            scheduled: Vec::new(),
            #[cfg(feature = "queues")]
            queue_file: None,
            mistake: None,
        }
    }

    /// Provides a value for every `#[state]` parameter of type `T`.
    pub fn state<T: Any + Send + Sync>(mut self, state: T) -> Self {
        self.states.insert(TypeId::of::<T>(), Box::new(state));
        self
    }

    /// The most tasks that run at once; 100.
    pub fn concurrency(mut self, tasks: usize) -> Self {
        if tasks == 0 {
            self.mistake(
                Kind::InvalidOption,
                "a concurrency of 0 would run nothing: leave the runtime unstarted instead",
            );
        }
        self.concurrency = tasks;
        self
    }

    /// Serves these queues only. Without it, every queue gets its share.
    pub fn queues<Q: Into<String>>(mut self, queues: impl IntoIterator<Item = Q>) -> Self {
        let queues: Vec<String> = queues.into_iter().map(Into::into).collect();
        for queue in &queues {
            if let Err(error) = check_queue(queue) {
                self.mistake.get_or_insert(error);
            }
        }
        if queues.is_empty() {
            self.mistake(Kind::InvalidOption, "`queues` names none: leave it out to serve all of them");
        }
        self.queues = Some(queues);
        self
    }

    /// How long the worker may be silent before its tasks go to others (G3); 30 s. Must be at least 100 ms.
    pub fn lease(self, lease: impl IntoDuration) -> Self {
        self.duration(lease, |builder, lease| {
            if lease < Duration::from_millis(100) {
                builder
                    .mistake(Kind::InvalidOption, "a lease shorter than 100 ms would be lost to any hiccup");
            }
            builder.lease = lease;
        })
    }

    /// How long running tasks may take to end once the runtime is told to stop; 25 s, which leaves room within the
    /// 30 s that most supervisors grant.
    pub fn grace(self, grace: impl IntoDuration) -> Self {
        self.duration(grace, |builder, grace| builder.grace = grace)
    }

    /// The retry policy of functions that have none of their own.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// What may go in.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What is kept of tasks that came to an end. A store that is open already has its own.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// After so many deaths of a process under it, a task is held instead of run again; 5.
    pub fn max_crashes(mut self, crashes: u32) -> Self {
        self.rules.max_crashes = crashes.max(1);
        self
    }

    /// What people call this worker; host name and process id.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Runs these functions instead of the linked ones.
    #[cfg(feature = "cli")]
    pub(crate) fn registry(mut self, registry: &'static Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    fn duration(mut self, length: impl IntoDuration, set: impl FnOnce(&mut Self, Duration)) -> Self {
        match length.into_duration() {
            Ok(length) => set(&mut self, length),
            Err(error) => drop(self.mistake.get_or_insert(error)),
        }
        self
    }

    fn mistake(&mut self, kind: Kind, text: &str) {
        self.mistake.get_or_insert_with(|| Error::new(kind, text));
    }

    /// Opens the store and puts the runtime together. Nothing runs yet.
    ///
    /// # Errors
    /// A mistake in an option, two functions of one identity, or a store that cannot be opened: an unknown scheme, an
    /// unreadable, foreign, corrupt or newer file.
    #[cfg_attr(not(any(feature = "wasmi", feature = "wasmtime")), allow(unused_mut))]
    pub async fn build(mut self) -> Result<Runtime> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        #[cfg(any(feature = "wasmi", feature = "wasmtime"))]
        let registry = self.programs.join(self.registry, &mut self.states)?;
        #[cfg(not(any(feature = "wasmi", feature = "wasmtime")))]
        let registry = self.registry.map_or_else(Registry::linked, Ok)?;
        #[cfg(feature = "cron")]
        let schedules = scheduling::collect(registry, self.scheduled, &self.limits)?;
        let store = match self.source {
            Source::Url(url) => schemes::open(&url, self.retention).await?,
            Source::Store(store) => store,
        };
        #[cfg(feature = "queues")]
        if let Some(path) = &self.queue_file {
            queueing::apply(path, &*store).await?;
        }
        let client = Client::new(store, self.limits);
        let stopper = Stopper::builder().name("delay::Runtime").build();
        let stopping = stopper.cancel_on_quiesce(&tokio_util::sync::CancellationToken::new());
        let executor = Arc::new(Executor {
            registry,
            client: client.clone(),
            states: States::new(self.states),
            stopping: stopping.token().clone(),
            retry: self.retry,
            #[cfg(feature = "cron")]
            schedules,
            #[cfg(feature = "http")]
            courier: None,
            #[cfg(feature = "process")]
            apart: isolating::apart(registry, &stopper, self.isolation),
        });
        let config = WorkerConfig {
            name: self.name.unwrap_or_else(name::default_name),
            concurrency: self.concurrency,
            queues: watch::channel(self.queues.map_or(Queues::All, |queues| Queues::Only(queues.into()))).1,
            lease: self.lease,
        };
        Ok(Runtime {
            client,
            executor,
            config,
            rules: self.rules,
            grace: self.grace,
            stopper,
            pulses: Pulses::default(),
            _stopping: stopping,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

impl Client {
    /// Opens a store to enqueue into.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub async fn open(url: impl AsRef<str>) -> Result<Self> {
        let store = schemes::open(url.as_ref(), Retention::default()).await?;
        Ok(Self::new(store, Limits::default()))
    }
}
