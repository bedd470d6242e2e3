//! What the writer thread works with: the connection, the time of the transaction, and what to signal once it is
//! committed. The verbs are in files of their own, each an `impl Session`.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection};

use super::SqliteOptions;
use super::alive::Alive;
use super::ballast::Ballast;
use super::fault::fault;
use super::queues::QueueNumbers;
use crate::clock::Clock;
use crate::error::Result;
use crate::signals::Signals;
use crate::store::{Retention, WorkerId};
use crate::task::TaskId;
use crate::time::Timestamp;

/// What is to happen once the transaction is committed, and not if it is rolled back.
#[derive(Default)]
pub(super) struct AfterCommit {
    /// Tasks may have become claimable.
    pub(super) wake: bool,
    /// These tasks came to their end.
    pub(super) finished: Vec<TaskId>,
    /// These workers came.
    pub(super) enlisted: Vec<WorkerId>,
    /// These went, or are dead.
    pub(super) gone: Vec<WorkerId>,
}

pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) retention: Retention,
    pub(super) alive: Alive,
    pub(super) queues: QueueNumbers,
    /// The time of the running transaction: all its work happens at one instant.
    pub(super) now: Timestamp,
    /// Counts claims, so that no queue is always served first.
    pub(super) claims: usize,
    /// How far the pruner has come round the table.
    pub(super) hand: i64,
    pub(super) after: AfterCommit,
    ballast: Ballast,
    clock: Clock,
    signals: Arc<Signals>,
    data_version: i64,
}

impl Session {
    pub(super) fn new(connection: Connection, options: SqliteOptions, signals: Arc<Signals>) -> Result<Self> {
        let SqliteOptions { path, retention, clock, .. } = options;
        let mut session = Self {
            connection,
            retention,
            alive: Alive::new(&path),
            queues: QueueNumbers::default(),
            now: clock.now(),
            claims: 0,
            hand: i64::MIN,
            after: AfterCommit::default(),
            ballast: Ballast::new(&path),
            clock,
            signals,
            data_version: 0,
        };
        session.data_version = session.read_data_version()?;
        Ok(session)
    }

    pub(super) fn statement(&self, sql: &str) -> Result<CachedStatement<'_>> {
        self.connection.prepare_cached(sql).map_err(|error| fault("prepare a statement", error))
    }

    /// Whether the next commits wait for the disk.
    pub(super) fn synchronous(&self, durable: bool) -> Result<()> {
        let sql = if durable { "PRAGMA synchronous = full" } else { "PRAGMA synchronous = normal" };
        self.connection.execute_batch(sql).map_err(|error| fault("set the durability", error))
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        // IMMEDIATE: a lock that is taken at the first write instead could fail halfway through.
        self.run("BEGIN IMMEDIATE", "begin a transaction")?;
        self.now = self.clock.now();
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        if let Err(error) = self.run("COMMIT", "commit") {
            self.roll_back();
            return Err(error);
        }
        if std::mem::take(&mut self.after.wake) {
            self.signals.wake();
        }
        if !self.after.finished.is_empty() {
            self.signals.finish(&self.after.finished);
            self.after.finished.clear();
        }
        self.after.enlisted.drain(..).for_each(|worker| self.alive.enlist(worker));
        self.after.gone.drain(..).for_each(|worker| self.alive.retire(worker));
        Ok(())
    }

    pub(super) fn roll_back(&mut self) {
        // A full disk makes SQLite roll back by itself; then there is nothing to do.
        if !self.connection.is_autocommit()
            && let Err(error) = self.run("ROLLBACK", "roll back")
        {
            tracing::error!(error = error.chain(), "a transaction could not be rolled back");
        }
        self.after = AfterCommit::default();
        self.queues.forget();
    }

    fn run(&self, sql: &str, act: &str) -> Result<()> {
        let done = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        done.map(drop).map_err(|error| fault(act, error))
    }

    /// Looks whether another connection has committed, and tells those who wait.
    pub(super) fn glance(&mut self) {
        if !self.signals.has_listeners() {
            return;
        }
        match self.read_data_version() {
            Ok(version) if version != self.data_version => {
                self.data_version = version;
                self.signals.changed_elsewhere();
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(error = error.chain(), "cannot look for changes by other processes"),
        }
    }

    fn read_data_version(&self) -> Result<i64> {
        self.connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(|error| fault("look for changes by other processes", error))
    }

    /// Frees the space that is kept for a full disk; `false` if it is free already.
    pub(super) fn drop_ballast(&mut self) -> bool {
        self.ballast.drop_it()
    }

    /// Refuses new tasks while the disk is full.
    pub(super) fn check_room(&mut self) -> Result<()> {
        self.ballast.check()
    }

    /// Gives back what a transaction that did not fit has left in the journal.
    pub(super) fn shrink_journal(&self) {
        let shrunk = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = shrunk {
            tracing::debug!(%error, "the journal could not be shrunk");
        }
    }
}
