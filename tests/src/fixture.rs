//! A store to be tested, opened through its port, with a clock that the test moves. Knows how each kind of store is
//! opened and nothing of what is tested.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use delay::store::memory::MemoryStore;
use delay::store::postgres::{PostgresOptions, PostgresStore};
use delay::store::sqlite::{SqliteOptions, SqliteStore};
use delay::store::{Pending, Retention, Store, TaskRecord};
use delay::{Clock, Due, Result, Task, TaskId, Timestamp, VirtualClock};
use tempfile::TempDir;

use crate::postgres::Schema;

/// One place where tasks live, and how it is opened: every opening shows the same tasks.
pub trait Backend: Send + Sync + 'static {
    /// Opens it, through a connection of its own if it has connections.
    fn open(&self, clock: VirtualClock, retention: Retention) -> Pending<'_, Arc<dyn Store>>;
}

/// A store in memory: its only connection is the value itself.
pub struct Memory(std::sync::OnceLock<Arc<MemoryStore>>);

impl Memory {
    /// An empty one.
    #[must_use]
    pub fn fresh() -> Box<dyn Backend> {
        Box::new(Self(std::sync::OnceLock::new()))
    }
}

impl Backend for Memory {
    fn open(&self, clock: VirtualClock, retention: Retention) -> Pending<'_, Arc<dyn Store>> {
        let make = || Arc::new(MemoryStore::new(Clock::Virtual(clock), retention));
        let store: Arc<dyn Store> = Arc::clone(self.0.get_or_init(make)) as _;
        Box::pin(std::future::ready(Ok(store)))
    }
}

/// A SQLite store: a real file.
pub struct Sqlite(TempDir);

impl Sqlite {
    /// An empty one.
    ///
    /// # Panics
    /// If there is no place for temporary files.
    #[must_use]
    pub fn fresh() -> Box<dyn Backend> {
        Box::new(Self(TempDir::new().expect("a folder for the store")))
    }
}

impl Backend for Sqlite {
    fn open(&self, clock: VirtualClock, retention: Retention) -> Pending<'_, Arc<dyn Store>> {
        let path = self.0.path().join("jobs.db");
        let options = SqliteOptions { retention, clock: Clock::Virtual(clock), ..SqliteOptions::new(path) };
        Box::pin(async { Ok(Arc::new(SqliteStore::open(options)?) as Arc<dyn Store>) })
    }
}

/// A Postgres store: a schema of its own on a real server.
pub struct Postgres {
    schema: Schema,
    options: &'static str,
}

impl Postgres {
    /// An empty one, which keeps what ends by the bundle however little it is.
    #[must_use]
    pub fn fresh() -> Box<dyn Backend> {
        Box::new(Self { schema: Schema::fresh(), options: "bundle=1" })
    }

    /// An empty one that does without all that makes it fast.
    #[must_use]
    pub fn bare() -> Box<dyn Backend> {
        let options = "notify=off&skip_locked=off&advisory_locks=off&prepare=off&bundle=0";
        Box::new(Self { schema: Schema::fresh(), options })
    }
}

impl Backend for Postgres {
    fn open(&self, clock: VirtualClock, retention: Retention) -> Pending<'_, Arc<dyn Store>> {
        let url = self.schema.url_with(self.options);
        let options =
            PostgresOptions { retention, clock: Clock::Virtual(clock), ..PostgresOptions::new(url) };
        Box::pin(async { Ok(Arc::new(PostgresStore::open(options).await?) as Arc<dyn Store>) })
    }
}

/// A store under test.
pub struct Fixture {
    fresh: fn() -> Box<dyn Backend>,
    backend: Box<dyn Backend>,
    clock: VirtualClock,
    retention: Retention,
    store: Arc<dyn Store>,
}

impl Fixture {
    /// What is kept of finished tasks unless a test says otherwise: lengths that cannot be taken for each other.
    pub const RETENTION: Retention = Retention {
        succeeded: Duration::from_secs(2 * 3600),
        failed: Duration::from_secs(9 * 3600),
        cancelled: Duration::from_secs(5 * 3600),
        tombstone: Duration::from_secs(3600),
    };

    /// An empty store of a kind. Its clock stands still.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub async fn open(fresh: fn() -> Box<dyn Backend>) -> Result<Self> {
        Self::open_with(fresh, Self::RETENTION).await
    }

    async fn open_with(fresh: fn() -> Box<dyn Backend>, retention: Retention) -> Result<Self> {
        let (backend, clock) = (fresh(), VirtualClock::new(Timestamp::from_micros(1_500_000_000_000_000)));
        let store = backend.open(clock.clone(), retention).await?;
        Ok(Self { fresh, backend, clock, retention, store })
    }

    /// Another empty store of this kind, which keeps finished tasks for other times.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub async fn keeping(&self, retention: Retention) -> Result<Self> {
        Self::open_with(self.fresh, retention).await
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// A second connection to the same tasks: what another process would have.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub async fn second(&self) -> Result<Arc<dyn Store>> {
        self.backend.open(self.clock.clone(), self.retention).await
    }

    /// Moves the store's clock.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Sets the store's clock, backwards as well.
    pub fn set_clock(&self, time: Timestamp) {
        self.clock.set(time);
    }

    /// The store's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Adds a task and gives its id.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn push(&self, task: Task) -> Result<TaskId> {
        let id = task.id;
        self.store.push(vec![task]).await?;
        Ok(id)
    }

    /// What the store knows of a task.
    ///
    /// # Errors
    /// If the store fails.
    ///
    /// # Panics
    /// If there is no such task.
    pub async fn record(&self, id: TaskId) -> Result<TaskRecord> {
        Ok(self.store.get(vec![id]).await?.pop().flatten().expect("the task is in the store"))
    }
}

/// A plain task: due now, without a name, in the queue `q`.
#[must_use]
pub fn task() -> Task {
    Task {
        id: TaskId::new(),
        queue: Cow::Borrowed("q"),
        name: None,
        due: Due::Now,
        priority: 0,
        tag: None,
        options: None,
        payload: b"payload".to_vec(),
    }
}
