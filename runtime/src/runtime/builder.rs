//! How a runtime is set up: every option, its default, and the mistakes that are told when it is built.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Runtime;
#[cfg(feature = "process")]
use super::isolating;
use super::name;
#[cfg(any(feature = "wasmi", feature = "wasmtime"))]
use super::programs;
#[cfg(feature = "queues")]
use super::queueing;
#[cfg(feature = "cron")]
use super::scheduling;
use crate::client::Client;
use crate::error::{Error, Kind, Result};
use crate::executor::Executor;
use crate::limits::{Limits, check_queue};
use crate::registry::Registry;
use crate::retry::Retry;
use crate::schemes;
use crate::states::States;
use crate::stopper::Stopper;
use crate::store::{Queues, Retention, Store, UpkeepRules};
use crate::time::IntoDuration;
use crate::worker::{Pulses, WorkerConfig};

/// The store: to be opened, or open already.
pub(super) enum Source {
    Url(String),
    Store(Arc<dyn Store>),
}

/// Sets a runtime up. Every option has a default that suits most programs.
#[must_use = "end with `.build().await`"]
pub struct Builder {
    pub(super) source: Source,
    pub(super) states: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    pub(super) name: Option<String>,
    pub(super) concurrency: usize,
    pub(super) queues: Option<Vec<String>>,
    pub(super) lease: Duration,
    pub(super) grace: Duration,
    pub(super) retry: Retry,
    pub(super) limits: Limits,
    pub(super) retention: Retention,
    pub(super) rules: UpkeepRules,
    pub(super) registry: Option<&'static Registry>,
    #[cfg(feature = "process")]
    pub(super) isolation: crate::process::Isolation,
    #[cfg(any(feature = "wasmi", feature = "wasmtime"))]
    pub(super) programs: programs::Given,
    #[cfg(feature = "cron")]
    pub(super) scheduled: Vec<scheduling::Scheduled>,
    #[cfg(feature = "queues")]
    pub(super) queue_file: Option<std::path::PathBuf>,
    pub(super) mistake: Option<Error>,
}

impl Builder {
    pub(super) fn new(source: Source) -> Self {
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
        let mut queues: Vec<String> = queues.into_iter().map(Into::into).collect();
        queues.sort_unstable();
        queues.dedup();
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

    pub(super) fn duration(
        mut self,
        length: impl IntoDuration,
        set: impl FnOnce(&mut Self, Duration),
    ) -> Self {
        match length.into_duration() {
            Ok(length) => set(&mut self, length),
            Err(error) => drop(self.mistake.get_or_insert(error)),
        }
        self
    }

    pub(super) fn mistake(&mut self, kind: Kind, text: &str) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_named_twice_is_served_once() {
        let builder = Runtime::builder("memory:").queues(["mail", "reports", "mail"]);
        assert_eq!(builder.queues.unwrap(), ["mail", "reports"]);
    }
}
