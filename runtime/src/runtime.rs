//! The runtime: joins a store, the linked functions and a worker, and lives from `open` to the last settled task.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::client::{Added, Client};
use crate::draft::Draft;
use crate::enqueue::Enqueue;
use crate::error::{Error, Kind, Result};
use crate::executor::Executor;
use crate::handle::Handle;
use crate::id::TaskId;
use crate::limits::Limits;
use crate::maintenance;
use crate::schemes;
use crate::stats;
use crate::stopper::{CancelLink, Stopper};
use crate::store::{Retention, Store, UpkeepRules};
use crate::worker::{Pulses, Worker, WorkerConfig};

#[cfg(feature = "http")]
mod doors;
#[cfg(feature = "process")]
mod isolating;
mod builder;
mod name;
#[cfg(feature = "queues")]
mod queueing;
#[cfg(any(feature = "wasmi", feature = "wasmtime"))]
mod programs;
#[cfg(feature = "cron")]
mod scheduling;
mod signals;

pub use builder::Builder;
use builder::Source;
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
