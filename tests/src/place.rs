//! A folder in which helper processes share a store and a history.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use delay::store::{Filter, TaskRecord};
use delay::{Result, TaskId, TaskState};
use rustix::process::{Flock, FlockType, fcntl_getlk};

use crate::history::What;
use crate::orders::{Call, Orders};
use crate::process::Process;
use crate::stores::open_store;
use crate::wait::soon;

/// A folder with a history, a store there or elsewhere, and orders that name them.
pub struct Place {
    folder: tempfile::TempDir,
    /// The store's URL, if it is elsewhere.
    url: Option<String>,
}

impl Place {
    /// An empty one.
    ///
    /// # Panics
    /// If there is no place for temporary files.
    #[must_use]
    pub fn new() -> Self {
        Self { folder: tempfile::TempDir::new().expect("a folder"), url: None }
    }

    /// An empty one for the store of this URL.
    ///
    /// # Panics
    /// If there is no place for temporary files.
    #[must_use]
    pub fn on(url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), ..Self::new() }
    }

    /// The store's URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone().unwrap_or_else(|| format!("sqlite:{}", self.store().display()))
    }

    /// The store's file, if it is here.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("jobs.db")
    }

    /// The history's file.
    #[must_use]
    pub fn history(&self) -> PathBuf {
        self.folder.path().join("history")
    }

    /// Orders to do nothing here.
    #[must_use]
    pub fn orders(&self) -> Orders {
        let (store, history) = (self.url(), self.history());
        Orders { store, history, add: Vec::new(), produce: None, work: None, lie: None }
    }

    /// Whether somebody holds the store's file: is writing to it, or tidying its log.
    ///
    /// # Panics
    /// If nobody has opened it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let shared = File::options().read(true).write(true).open(self.folder.path().join("jobs.db-shm"));
        // Where SQLite's WAL has the locks of who writes, checkpoints, and recovers.
        let held = Flock { start: 120, length: 3, ..Flock::from(FlockType::WriteLock) };
        fcntl_getlk(shared.expect("it is open"), &held).expect("a look at a lock").is_some()
    }

    /// Adds tasks, in a process that ends then, and gives their ids.
    ///
    /// # Panics
    /// If that fails.
    pub fn add(&self, program: &str, calls: impl IntoIterator<Item = Call>) -> Vec<TaskId> {
        let mut adding =
            Process::start(program, &Orders { add: calls.into_iter().collect(), ..self.orders() });
        assert!(adding.end().success());
        let pushed = adding.seen().iter().filter_map(|event| match event.what {
            What::Pushed { id } => Some(id.0),
            _ => None,
        });
        pushed.collect()
    }

    /// All tasks of the store.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn records(&self) -> Result<Vec<TaskRecord>> {
        let store = open_store(&self.url()).await?;
        let mut filter = Filter { limit: 1000, ..Filter::default() };
        let mut records: Vec<TaskRecord> = Vec::new();
        loop {
            let page = store.list(filter.clone()).await?;
            let Some(last) = page.last() else { break };
            filter.beyond = Some(last.id);
            records.extend(page);
        }
        store.close().await?;
        Ok(records)
    }

    /// Waits until every task of the store has come to its end, by way of others.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn drained(&self) -> Result<()> {
        self.until("all tasks to end", TaskState::is_finished).await
    }

    /// Waits until every task of the store is in one of the states that `look` takes.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn until(&self, what: &str, look: fn(TaskState) -> bool) -> Result<()> {
        let store = open_store(&self.url()).await?;
        let mut changes = store.signals().subscribe();
        soon(what, async {
            while store.counts().await?.iter().any(|count| !look(count.state)) {
                // A signal is a hint; without one it looks again.
                let _ = tokio::time::timeout(Duration::from_millis(200), changes.changed()).await;
            }
            Ok(())
        })
        .await?;
        store.close().await
    }

    /// The names of the files that are here, sorted.
    ///
    /// # Panics
    /// If the folder cannot be read.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder can be read");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<String> =
            entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}
