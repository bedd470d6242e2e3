//! The store for many machines: a schema in a PostgreSQL database. Any number of processes work on it at once; the
//! server's clock decides, guarded updates keep order, and what makes it fast (SKIP LOCKED, NOTIFY, advisory locks) can
//! be switched off without losing a task.
//!
//! This file owns the store's shape and hands each verb on; the SQL is below `postgres/`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

use super::{
    Acted, Action, Checkpoints, Count, Enlist, Fence, Filter, Inspect, Pending, Pushed, Retention, Settled,
    Store, TaskRecord, Turn, Turned, Upkeep, UpkeepRules, Upkept, WorkerId, WorkerRecord,
};
use crate::clock::Clock;
use crate::error::Result;
use crate::signals::Signals;
use crate::task::{Task, TaskId};
use crate::time::Timestamp;

mod address;
mod answer;
mod base;
mod bundle;
mod cancel;
mod checkpoint;
mod claims;
mod configs;
mod connect;
mod desk;
#[cfg(feature = "cli")]
mod doctor;
mod fault;
mod figures;
mod fresh;
mod gather;
mod inspect;
mod limits;
#[cfg(feature = "cli")]
mod look;
mod lost;
mod marks;
mod notify;
mod open;
mod partitions;
mod passfile;
mod pool;
mod portion;
mod pull;
mod push;
mod refusal;
mod schema;
mod secret;
mod settings;
mod settle;
mod sql;
mod statement;
mod text;
mod tid;
mod told;
mod tls;
mod transaction;
mod turn;
mod upkeep;
mod watch;
mod wire;
mod words;
mod workers;

use base::Base;
use gather::Gatherer;
#[cfg(feature = "cli")]
pub(crate) use look::{PostgresLook, bare_connection, clear, examine, migration};
pub use settings::Durability;
pub use transaction::Within;

/// How to open a Postgres store.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port,host:port/database?option=value`, with libpq's options (`sslmode`,
    /// `connect_timeout`, `target_session_attrs`, …), its environment variables for what is not said, and these:
    ///
    /// | option | default | meaning |
    /// |---|---|---|
    /// | `schema` | `delay` | where the tables are; each application has its own |
    /// | `durability` | `disk` | [`Durability`]: `process`, `disk`, `replicated` |
    /// | `pool` | 8 | the most connections at a time, 2 or more; listening takes one more |
    /// | `statement_timeout` | `30s` | the most time that a statement may take |
    /// | `prepare` | `on` | `off` for poolers that part the transactions of a connection |
    /// | `notify` | `on` | `off` for poolers that cannot listen: others' tasks are looked for from time to time |
    /// | `skip_locked`, `advisory_locks` | `on` | `off` for databases that do not have them: slower, as correct |
    /// | `bundle` | 16 | from so many plain successes in a turn on, they are kept as one row; 0: each is a row of `history` |
    pub url: String,
    /// What is kept of finished tasks.
    pub retention: Retention,
    /// The clock, for tests; else the server's.
    pub clock: Clock,
}

impl PostgresOptions {
    /// The defaults, for `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), retention: Retention::default(), clock: Clock::System }
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the URL: it may hold a password.
        f.debug_struct("PostgresOptions").field("retention", &self.retention).finish_non_exhaustive()
    }
}

/// The Postgres store.
#[derive(Debug)]
pub struct PostgresStore {
    base: Arc<Base>,
    gatherer: Gatherer,
    /// The gatherer's work, which ends by itself when nothing more can come.
    gathering: Mutex<Option<JoinHandle<()>>>,
    /// Work that is cut short when the store is closed.
    others: Vec<JoinHandle<()>>,
}

impl PostgresStore {
    /// Connects, brings the tables up to date, and begins to listen.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses us, if the tables were made by a newer version, or if the server
    /// cannot keep what the durability promises; each has its predicate on [`crate::Error`].
    pub async fn open(options: PostgresOptions) -> Result<Self> {
        let base = open::open(&options).await?;
        let (gatherer, gathering) = Gatherer::new(Arc::clone(&base));
        let notifying = Arc::clone(&base);
        let others = vec![
            tokio::spawn(watch::run(Arc::clone(&base))),
            tokio::spawn(async move { notify::run(&notifying).await }),
        ];
        Ok(Self { base, gatherer, gathering: Mutex::new(Some(tokio::spawn(gathering))), others })
    }
}

impl PostgresStore {
    /// How the server goes about a claim of `want` tasks by this worker, as `EXPLAIN ANALYZE` tells it; nothing is
    /// claimed. For tests, and for whoever wonders why claims are slow.
    ///
    /// # Errors
    /// If the server cannot be asked.
    ///
    /// # Cancel safety
    /// Cancel safe: the connection is thrown away, and with it what was tried.
    pub async fn explain_claim(&self, worker: WorkerId, want: usize) -> Result<String> {
        Box::pin(self.base.explain_claim(worker, want)).await
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.others.iter().for_each(JoinHandle::abort);
    }
}

impl Store for PostgresStore {
    fn push(&self, tasks: Vec<Task>) -> Pending<'_, Vec<Pushed>> {
        // Asked for at once, not at the first poll: what was begun before a close is done.
        Box::pin(self.gatherer.push(tasks))
    }

    fn enlist(&self, worker: Enlist) -> Pending<'_, WorkerId> {
        Box::pin(async move { self.base.enlist(&worker).await })
    }

    fn turn(&self, turn: Turn) -> Pending<'_, Turned> {
        Box::pin(async move { self.base.turn(&turn).await })
    }

    fn start(&self, fences: Vec<Fence>) -> Pending<'_, Vec<Settled>> {
        Box::pin(async move { self.base.start(&fences).await })
    }

    fn beat(&self, worker: WorkerId) -> Pending<'_, ()> {
        Box::pin(self.base.beat(worker))
    }

    fn retire(&self, worker: WorkerId) -> Pending<'_, ()> {
        Box::pin(self.base.retire(worker))
    }

    fn signals(&self) -> &Signals {
        &self.base.signals
    }

    fn now(&self) -> Pending<'_, Timestamp> {
        Box::pin(async move {
            let session = self.base.session().await?;
            self.base.server_now(&session).await.map(Timestamp::from_micros)
        })
    }

    fn lanes(&self) -> usize {
        2
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            self.base.leave();
            self.gatherer.close();
            let gathering = self.gathering.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(gathering) = gathering {
                // It ends when all that was asked for has its answer; a panic in it has been answered, too.
                let _ = gathering.await;
            }
            self.base.refuse();
            self.others.iter().for_each(JoinHandle::abort);
            self.base.hang_up().await;
            Ok(())
        })
    }
}

impl Checkpoints for PostgresStore {
    fn checkpoint(&self, fence: Fence, bytes: Option<Vec<u8>>) -> Pending<'_, Settled> {
        Box::pin(async move {
            super::check_size(bytes.as_ref())?;
            self.base.checkpoint(fence, bytes.as_deref()).await
        })
    }

    fn snapshot(&self, id: TaskId) -> Pending<'_, Option<Vec<u8>>> {
        Box::pin(self.base.snapshot(id))
    }

    fn suspends(&self, ids: Vec<TaskId>) -> Pending<'_, Vec<TaskId>> {
        Box::pin(async move { self.base.suspends(&ids).await })
    }
}

impl Inspect for PostgresStore {
    fn get(&self, ids: Vec<TaskId>) -> Pending<'_, Vec<Option<TaskRecord>>> {
        Box::pin(async move { self.base.get(&ids).await })
    }

    fn list(&self, filter: Filter) -> Pending<'_, Vec<TaskRecord>> {
        Box::pin(async move { self.base.list(&filter).await })
    }

    fn counts(&self) -> Pending<'_, Vec<Count>> {
        Box::pin(self.base.counts())
    }

    fn workers(&self) -> Pending<'_, Vec<WorkerRecord>> {
        Box::pin(self.base.workers())
    }
}

impl Upkeep for PostgresStore {
    fn upkeep(&self, rules: UpkeepRules) -> Pending<'_, Upkept> {
        Box::pin(async move { self.base.upkeep(&rules).await })
    }

    fn act(&self, action: Action, ids: Vec<TaskId>) -> Pending<'_, Vec<Acted>> {
        Box::pin(async move { self.base.act(action, &ids).await })
    }
}
