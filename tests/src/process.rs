//! A helper process under a test's command: it is started, watched event by event, sent signals, and never outlives
//! the test.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use delay::store::sqlite::{SqliteOptions, SqliteStore};
use delay::store::{Filter, Inspect as _, Store as _, TaskRecord};
use delay::{Result, TaskId, TaskState};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::history::{Event, What};
use crate::lying::Lie;
use crate::wait::{BOUND, soon};

/// What a `crash_worker` is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    /// The SQLite file.
    pub store: PathBuf,
    /// Where it writes its history.
    pub history: PathBuf,
    /// What it adds before it does anything else.
    pub add: Vec<Call>,
    /// Whether it goes on adding tasks until it is killed; the number is the seed.
    pub produce: Option<u64>,
    /// Whether and how it works.
    pub work: Option<Work>,
    /// What its store lies about.
    pub lie: Option<Lie>,
}

/// How a worker works.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Work {
    /// So many attempts at once.
    pub concurrency: usize,
    /// Its lease.
    pub lease: Duration,
    /// How long running tasks may take to end once it is to stop.
    pub grace: Duration,
    /// After so many crashes a task is held.
    pub max_crashes: u32,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            concurrency: 16,
            // So long that no test lives to see it run out.
            lease: Duration::from_secs(3600),
            grace: Duration::from_secs(3600),
            max_crashes: u32::MAX,
        }
    }
}

/// The functions of a `crash_worker`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Does nothing.
    Quick,
    /// Does nothing, as a plain function.
    Plain,
    /// Gives way to others so many times.
    Busy(u32),
    /// Fails so many times before it succeeds.
    Flaky(u32),
    /// Adds so many tasks.
    Parent(u32),
    /// Waits until the process's standard input is closed.
    Gate,
    /// Ends when the worker begins to stop.
    Brief,
    /// Never ends; notes when the worker begins to stop.
    Endless,
    /// Takes its process with it.
    Abort,
}

/// A running helper process.
pub struct Process {
    child: Child,
    events: Receiver<Event>,
    seen: Vec<Event>,
}

impl Process {
    /// Starts `program` with orders.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(program: &str, orders: &Orders) -> Self {
        let mut child = Command::new(program)
            .arg(serde_json::to_string(orders).expect("plain data"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the helper process starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(|line| line.ok()) {
                // A killed process may leave half a line.
                let Ok(event) = serde_json::from_str(&line) else { continue };
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, events, seen: Vec::new() }
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has told so far.
    #[must_use]
    pub fn seen(&self) -> &[Event] {
        &self.seen
    }

    /// Waits until it tells something that `look` takes.
    ///
    /// # Panics
    /// If it ends before, or does not tell it in time.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&What) -> Option<T>) -> T {
        if let Some(found) = self.seen.iter().find_map(|event| look(&event.what)) {
            return found;
        }
        let end = Instant::now() + BOUND;
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    let found = look(&event.what);
                    self.seen.push(event);
                    if let Some(found) = found {
                        return found;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("process {} did not tell: {what}; it told {:?}", self.pid(), self.tail())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait();
                    panic!(
                        "process {} ended ({status:?}) before: {what}; it told {:?}",
                        self.pid(),
                        self.tail()
                    )
                }
            }
        }
    }

    /// Waits for so many more events.
    ///
    /// # Panics
    /// If it ends before, or takes too long.
    pub fn progress(&mut self, events: u64) {
        let mut left = events;
        self.seen.clear();
        self.until("progress", |_| {
            left = left.saturating_sub(1);
            (left == 0).then_some(())
        });
    }

    fn tail(&self) -> &[Event] {
        &self.seen[self.seen.len().saturating_sub(5)..]
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If it is gone already.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the process is there");
    }

    /// Closes its standard input.
    pub fn open_gate(&mut self) {
        self.child.stdin.take();
    }

    /// Kills it, and gives what it told.
    ///
    /// # Panics
    /// If it had ended by itself.
    pub fn kill(mut self) -> Vec<Event> {
        let ended = self.child.try_wait().expect("its state");
        assert!(ended.is_none(), "it ended by itself: {ended:?}; it told {:?}", self.tail());
        self.signal(Signal::KILL);
        self.drain();
        self.child.wait().expect("its end");
        std::mem::take(&mut self.seen)
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn end(&mut self) -> ExitStatus {
        self.drain();
        self.child.wait().expect("its end")
    }

    /// Sends a signal again and again, `pause` apart, until the process has ended.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn insist(&mut self, signal: Signal, pause: Duration) -> ExitStatus {
        let end = Instant::now() + BOUND;
        while Instant::now() < end {
            self.signal(signal);
            if self.has_ended_by(Instant::now() + pause) {
                return self.child.wait().expect("its end");
            }
        }
        panic!("process {} does not end", self.pid())
    }

    /// Takes in what it tells until it has ended.
    fn drain(&mut self) {
        assert!(self.has_ended_by(Instant::now() + BOUND), "process {} does not end", self.pid());
    }

    fn has_ended_by(&mut self, end: Instant) -> bool {
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(event) => self.seen.push(event),
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a store, a history, and orders that name them.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// An empty one.
    ///
    /// # Panics
    /// If there is no place for temporary files.
    #[must_use]
    pub fn new() -> Self {
        Self { folder: tempfile::TempDir::new().expect("a folder") }
    }

    /// The store's file.
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
        let (store, history) = (self.store(), self.history());
        Orders { store, history, add: Vec::new(), produce: None, work: None, lie: None }
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
        let store = SqliteStore::open(SqliteOptions::new(self.store()))?;
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
        let store = SqliteStore::open(SqliteOptions::new(self.store()))?;
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
