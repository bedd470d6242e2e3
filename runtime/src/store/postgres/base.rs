//! What all verbs share: connections, the words of the database, the time, the marks, and who is to be woken. The verbs
//! are in files of their own, each an `impl Base`.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_postgres::types::Type;

use super::claims::Claims;
use super::connect::Connector;
use super::fault::closed;
use super::limits::Hint;
use super::lost::Lost;
use super::marks::Marks;
use super::notify::Notifier;
use super::partitions::Tended;
use super::pool::{Pool, take};
use super::settings::Settings;
use super::sql::{Dialect, Session, Sql};
use super::upkeep::Rhythm;
use crate::clock::Clock;
use crate::error::Result;
use crate::signals::Signals;
use crate::store::Retention;
use crate::task::TaskId;

/// How long a verb waits for a connection that is not in use.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Base {
    pub(super) connector: Connector,
    pub(super) settings: Settings,
    pub(super) retention: Retention,
    pub(super) clock: Clock,
    pub(super) signals: Signals,
    pub(super) dialect: Arc<Dialect>,
    pub(super) notifier: Notifier,
    /// Queues that the database knows for certain.
    pub(super) queues: Mutex<HashSet<String>>,
    pub(super) lost: Lost,
    pub(super) hint: Hint,
    pub(super) claims: Claims,
    pub(super) rhythm: Rhythm,
    pub(super) tended: Tended,
    marks: Mutex<Marks>,
    pool: Pool,
    leaving: AtomicBool,
    closed: AtomicBool,
}

impl std::fmt::Debug for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Base")
            .field("connector", &self.connector)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Base {
    pub(super) fn new(connector: Connector, settings: Settings, retention: Retention, clock: Clock) -> Self {
        let Settings { prepare, skip_locked, pool, .. } = settings;
        Self {
            pool: connector.pool(pool),
            dialect: Arc::new(Dialect::new(&settings.schema, prepare, skip_locked)),
            notifier: Notifier::new(&settings),
            connector,
            settings,
            retention,
            clock,
            signals: Signals::default(),
            queues: Mutex::default(),
            lost: Lost::default(),
            hint: Hint::default(),
            claims: Claims::default(),
            rhythm: Rhythm::default(),
            tended: Tended::default(),
            marks: Mutex::default(),
            leaving: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// A connection.
    pub(super) async fn session(&self) -> Result<Session> {
        self.check_open()?;
        let pooled = take(&self.pool, PATIENCE).await?;
        Ok(Session::new(pooled, Arc::clone(&self.dialect)))
    }

    pub(super) fn check_open(&self) -> Result<()> {
        // SeqCst: nothing is begun after the close.
        if self.closed.load(Ordering::SeqCst) { Err(closed()) } else { Ok(()) }
    }

    /// The store is about to be closed: nothing that fails is tried again.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    /// From here on every verb fails; what runs goes on.
    pub(super) fn refuse(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Ends all connections.
    pub(super) async fn hang_up(&self) {
        self.pool.close();
        self.connector.close().await;
    }

    /// What statements are told of the time: nothing, for they go by the server's clock, unless a test moves ours.
    pub(super) fn now(&self) -> Option<i64> {
        match &self.clock {
            Clock::System => None,
            Clock::Virtual(clock) => Some(clock.now().as_micros()),
        }
    }

    /// The time by the store's clock.
    pub(super) async fn server_now(&self, session: &Session) -> Result<i64> {
        const SQL: Sql = Sql { text: "SELECT coalesce($1, NOW)", types: &[Type::INT8] };
        let rows = session.rows("ask for the time", &SQL, &[&self.now()]).await?;
        Ok(rows.first().map_or(i64::MIN, |row| row.get(0)))
    }

    pub(super) fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something may have become claimable: tells this process, and others.
    pub(super) fn woke(&self) {
        self.note_woke();
        self.notifier.tell();
    }

    /// Tells this process; others are told when whoever calls this tells them.
    pub(super) fn note_woke(&self) {
        self.signals.wake();
        self.notifier.ready();
    }

    /// These tasks have come to their end: tells this process, and others.
    pub(super) fn ended(&self, ids: &[TaskId]) {
        self.note_ended(ids);
        self.notifier.tell();
    }

    /// Tells this process; others are told when whoever calls this tells them.
    pub(super) fn note_ended(&self, ids: &[TaskId]) {
        if !ids.is_empty() {
            self.signals.finish(ids);
            self.notifier.finished();
        }
    }
}
