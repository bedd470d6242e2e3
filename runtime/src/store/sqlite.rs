//! The embedded store: one SQLite file in WAL mode. One writer thread commits whatever has gathered (group commit);
//! readers look beside it. Several processes may share the file, and the file may be the user's own database.
//!
//! This file owns the store's shape and hands each verb to the writer or to a reader; the SQL is below `sqlite/`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{
    Acted, Action, Checkpoints, Count, Enlist, Fence, Filter, Inspect, Pending, Pushed, Retention, Settled,
    Store, TaskRecord, Turn, Turned, Upkeep, UpkeepRules, Upkept, WorkerId, WorkerRecord,
};
use crate::clock::Clock;
use crate::error::Result;
use crate::signals::Signals;
use crate::task::{Task, TaskId};
use crate::time::Timestamp;

mod alive;
mod ballast;
mod cancel;
mod desk;
mod checkpoint;
#[cfg(feature = "cli")]
mod doctor;
mod fault;
mod figures;
mod finish;
mod inspect;
mod key;
mod limits;
#[cfg(feature = "cli")]
mod look;
mod open;
mod place;
mod pull;
mod push;
mod queues;
mod readers;
mod schema;
mod session;
mod settle;
mod transaction;
mod turn;
mod upkeep;
mod workers;
mod writer;

#[cfg(feature = "cli")]
pub(crate) use doctor::examine;
#[cfg(feature = "cli")]
pub(crate) use look::{SqliteLook, migration};
use readers::Readers;
use writer::{Class, Writer};

/// How safe an acknowledged task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Survives the death of the process and the loss of power: each commit waits for the disk.
    #[default]
    Disk,
    /// Survives the death of the process, not the loss of power: faster, and said so at start.
    Process,
}

/// How to open a SQLite store.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The file; it is made, readable by its owner alone, if it is not there.
    pub path: PathBuf,
    /// How safe an acknowledged task is.
    pub durability: Durability,
    /// Whether the tables may be made inside a database that holds other tables.
    pub tenancy: Tenancy,
    /// What is kept of finished tasks.
    pub retention: Retention,
    /// The clock, for tests.
    pub clock: Clock,
}

/// Whose database the file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tenancy {
    /// The queue's own; a database with other tables is refused, for it is probably a mistake.
    #[default]
    Own,
    /// Somebody's who wants the queue inside it (`?shared` in the URL).
    Shared,
}

impl SqliteOptions {
    /// The defaults, for `path`.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            durability: Durability::default(),
            tenancy: Tenancy::default(),
            retention: Retention::default(),
            clock: Clock::System,
        }
    }
}

/// The SQLite store.
#[derive(Debug)]
pub struct SqliteStore {
    // Dropped first: only the last connection, the writer's, can tidy up the journal.
    readers: Readers,
    writer: Writer,
    clock: Clock,
    signals: Arc<Signals>,
}

impl SqliteStore {
    /// Opens the file, brings its tables up to date, and starts the writer thread.
    ///
    /// # Errors
    /// If the file cannot be read or written, is no database, belongs to another application, or was made by a newer
    /// version; each has its predicate on [`crate::Error`].
    pub fn open(options: SqliteOptions) -> Result<Self> {
        let connection = open::open(&options)?;
        let signals = Arc::new(Signals::default());
        let readers = Readers::new(options.path.clone());
        let clock = options.clock.clone();
        let writer = Writer::start(connection, options, Arc::clone(&signals))?;
        Ok(Self { readers, writer, clock, signals })
    }
}

impl Store for SqliteStore {
    fn push(&self, tasks: Vec<Task>) -> Pending<'_, Vec<Pushed>> {
        self.writer.push(tasks)
    }

    fn enlist(&self, worker: Enlist) -> Pending<'_, WorkerId> {
        self.writer.run(Class::Soon, move |session| session.enlist(&worker))
    }

    fn turn(&self, turn: Turn) -> Pending<'_, Turned> {
        // A claim need not reach the disk before the attempt begins: if power fails, it is as if it had not been made.
        let class = if turn.settle.is_empty() { Class::Soon } else { Class::Settle };
        self.writer.run(class, move |session| session.turn(&turn))
    }

    fn now(&self) -> Pending<'_, Timestamp> {
        Box::pin(std::future::ready(Ok(self.clock.now())))
    }

    fn start(&self, fences: Vec<Fence>) -> Pending<'_, Vec<Settled>> {
        self.writer.run(Class::Soon, move |session| session.start(&fences))
    }

    fn beat(&self, worker: WorkerId) -> Pending<'_, ()> {
        self.writer.run(Class::Soon, move |session| session.beat(worker))
    }

    fn retire(&self, worker: WorkerId) -> Pending<'_, ()> {
        self.writer.run(Class::Settle, move |session| session.retire(worker))
    }

    fn signals(&self) -> &Signals {
        &self.signals
    }

    fn close(&self) -> Pending<'_, ()> {
        self.readers.close();
        Box::pin(self.writer.close())
    }
}

impl Checkpoints for SqliteStore {
    fn checkpoint(&self, fence: Fence, bytes: Option<Vec<u8>>) -> Pending<'_, Settled> {
        if let Err(error) = super::check_size(bytes.as_ref()) {
            return Box::pin(std::future::ready(Err(error)));
        }
        self.writer.run(Class::Settle, move |session| session.checkpoint(fence, bytes.as_deref()))
    }

    fn snapshot(&self, id: TaskId) -> Pending<'_, Option<Vec<u8>>> {
        self.readers.run(move |connection| checkpoint::snapshot(connection, id))
    }

    fn suspends(&self, ids: Vec<TaskId>) -> Pending<'_, Vec<TaskId>> {
        self.readers.run(move |connection| checkpoint::suspends(connection, ids))
    }
}

impl Inspect for SqliteStore {
    fn get(&self, ids: Vec<TaskId>) -> Pending<'_, Vec<Option<TaskRecord>>> {
        self.readers.run(move |connection| inspect::get(connection, &ids))
    }

    fn list(&self, filter: Filter) -> Pending<'_, Vec<TaskRecord>> {
        self.readers.run(move |connection| inspect::list(connection, &filter))
    }

    fn counts(&self) -> Pending<'_, Vec<Count>> {
        self.readers.run(inspect::counts)
    }

    fn workers(&self) -> Pending<'_, Vec<WorkerRecord>> {
        let now = self.clock.now();
        self.readers.run(move |connection| inspect::workers(connection, now))
    }
}

impl Upkeep for SqliteStore {
    fn upkeep(&self, rules: UpkeepRules) -> Pending<'_, Upkept> {
        self.writer.run(Class::Soon, move |session| session.upkeep(&rules))
    }

    fn act(&self, action: Action, ids: Vec<TaskId>) -> Pending<'_, Vec<Acted>> {
        self.writer.run(Class::Settle, move |session| ids.iter().map(|id| session.act(action, *id)).collect())
    }
}
