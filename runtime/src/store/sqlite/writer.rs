//! The writer thread: the one connection that writes. Whatever has gathered since the last commit is one transaction.
//!
//! If a transaction fails, it is rolled back and each of its pieces of work is tried in a transaction of its own, so
//! that one caller's trouble is nobody else's. Answers go out after the commit, never before.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::fault::closed;
use super::session::Session;
use super::{Durability, SqliteOptions};
use crate::error::{Error, Kind, Result};
use crate::signals::Signals;
use crate::store::{Pending, Pushed};
use crate::task::Task;

/// How soon a commit of another process is noticed by those who wait in this one.
const GLANCE: Duration = Duration::from_millis(50);

/// The most pieces of work in one transaction: bounds how long the first of them waits for the last.
const GROUP: usize = 1024;

/// What a piece of work needs of its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Adds tasks: on disk before it is acknowledged; refused while the disk is full.
    Add,
    /// Ends attempts: on disk before it is acknowledged; must go on when the disk is full.
    Settle,
    /// May be lost with the power: claims and beats are as if they had not been.
    Soon,
}

/// A piece of work for the writer thread. It may be done again after a rollback.
enum Work {
    /// Tasks to add: those that have gathered are added together.
    Push(Push),
    Errand(Box<dyn Errand>),
}

struct Push {
    tasks: Vec<Task>,
    pushed: Vec<Pushed>,
    answer: oneshot::Sender<Result<Vec<Pushed>>>,
}

trait Errand: Send {
    fn class(&self) -> Class;
    fn run(&mut self, session: &mut Session) -> Result<()>;
    fn answer(self: Box<Self>, failure: Option<Error>);
}

struct Job<F, T> {
    class: Class,
    run: F,
    value: Option<T>,
    answer: oneshot::Sender<Result<T>>,
}

impl Work {
    fn class(&self) -> Class {
        match self {
            Self::Push(_) => Class::Add,
            Self::Errand(errand) => errand.class(),
        }
    }

    // The caller may have stopped waiting; what was done stays done.
    fn answer(self, failure: Option<Error>) {
        match self {
            Self::Push(Push { pushed, answer, .. }) => {
                let _ = answer.send(failure.map_or(Ok(pushed), Err));
            }
            Self::Errand(errand) => errand.answer(failure),
        }
    }
}

impl<F, T> Errand for Job<F, T>
where
    F: FnMut(&mut Session) -> Result<T> + Send,
    T: Send,
{
    fn class(&self) -> Class {
        self.class
    }

    fn run(&mut self, session: &mut Session) -> Result<()> {
        self.value = None;
        self.value = Some((self.run)(session)?);
        Ok(())
    }

    fn answer(self: Box<Self>, failure: Option<Error>) {
        let value = match (failure, self.value) {
            (None, Some(value)) => Ok(value),
            (Some(error), _) => Err(error),
            (None, None) => Err(closed()),
        };
        let _ = self.answer.send(value);
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    work: Mutex<Option<Sender<Work>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        options: SqliteOptions,
        signals: Arc<Signals>,
    ) -> Result<Self> {
        let (sender, receiver) = channel();
        let durability = options.durability;
        let session = Session::new(connection, options, signals)?;
        let thread = std::thread::Builder::new()
            .name("delay-sqlite".to_owned())
            .spawn(move || Loop { session, durability, receiver, synced: None }.run())
            .map_err(|error| Error::with_source(Kind::Other, "cannot start the writer thread", error))?;
        Ok(Self { work: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Hands `run` to the thread; the answer comes after its commit.
    pub(super) fn run<T: Send + 'static>(
        &self,
        class: Class,
        run: impl FnMut(&mut Session) -> Result<T> + Send + 'static,
    ) -> Pending<'_, T> {
        let (answer, value) = oneshot::channel();
        self.send(Work::Errand(Box::new(Job { class, run, value: None, answer })), value)
    }

    /// Has tasks added; the answer comes after the commit.
    pub(super) fn push(&self, tasks: Vec<Task>) -> Pending<'_, Vec<Pushed>> {
        let (answer, value) = oneshot::channel();
        self.send(Work::Push(Push { tasks, pushed: Vec::new(), answer }), value)
    }

    fn send<T: Send + 'static>(&self, job: Work, value: oneshot::Receiver<Result<T>>) -> Pending<'_, T> {
        let sent = {
            let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            work.as_ref().is_some_and(|work| work.send(job).is_ok())
        };
        Box::pin(async move {
            if !sent {
                return Err(closed());
            }
            value.await.unwrap_or_else(|_| Err(closed()))
        })
    }

    /// Ends the thread once it has done what it was given.
    pub(super) async fn close(&self) -> Result<()> {
        drop(self.work.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return Ok(()) };
        tokio::task::spawn_blocking(move || thread.join())
            .await
            .ok()
            .and_then(|joined| joined.ok())
            .ok_or_else(|| Error::new(Kind::Other, "the writer thread of the store died"))
    }
}

impl Drop for Writer {
    /// A store that is dropped has done what it was given, and has tidied up, when this returns.
    fn drop(&mut self) {
        drop(self.work.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

struct Loop {
    session: Session,
    durability: Durability,
    receiver: Receiver<Work>,
    synced: Option<bool>,
}

impl Loop {
    fn run(mut self) {
        let mut group = Vec::new();
        let mut glanced = Instant::now();
        loop {
            match self.receiver.recv_timeout(GLANCE) {
                Ok(first) => {
                    group.push(first);
                    group.extend(self.receiver.try_iter().take(GROUP - 1));
                    self.commit(&mut group);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // Under load, too: work of one's own is no reason to overlook that of others.
            if glanced.elapsed() >= GLANCE {
                self.session.glance();
                glanced = Instant::now();
            }
        }
    }

    fn commit(&mut self, group: &mut Vec<Work>) {
        match self.transaction(group) {
            Ok(()) => group.drain(..).for_each(|work| work.answer(None)),
            Err(error) if group.len() == 1 && !self.is_full(&error) => {
                group.drain(..).for_each(|work| work.answer(Some(error.clone())));
            }
            Err(_) => {
                for work in group.drain(..) {
                    self.commit_alone(work);
                }
            }
        }
    }

    fn commit_alone(&mut self, mut work: Work) {
        let mut done = self.transaction(std::slice::from_mut(&mut work));
        if done.as_ref().is_err_and(|error| self.is_full(error)) {
            self.session.shrink_journal();
            if self.session.drop_ballast() {
                done = self.transaction(std::slice::from_mut(&mut work));
                self.session.shrink_journal();
            }
        }
        work.answer(done.err());
    }

    /// Whether SQLite itself has met a full disk; new tasks that are refused because of one say the same, without.
    fn is_full(&self, error: &Error) -> bool {
        error.is_disk_full() && std::error::Error::source(error).is_some()
    }

    fn transaction(&mut self, group: &mut [Work]) -> Result<()> {
        let durable =
            self.durability == Durability::Disk && group.iter().any(|work| work.class() != Class::Soon);
        if self.synced != Some(durable) {
            self.session.synchronous(durable)?;
            self.synced = Some(durable);
        }
        self.session.begin()?;
        for works in group.chunk_by_mut(|one, next| one.class() == next.class()) {
            if let Err(error) = self.work(works) {
                self.session.roll_back();
                return Err(error);
            }
        }
        self.session.commit()
    }

    /// Does work of one class.
    fn work(&mut self, works: &mut [Work]) -> Result<()> {
        if works.iter().any(|work| work.class() == Class::Add) {
            self.session.check_room()?;
        }
        let mut pushes = Vec::with_capacity(works.len());
        for work in works {
            match work {
                Work::Push(push) => pushes.push((push.tasks.as_slice(), &mut push.pushed)),
                Work::Errand(errand) => errand.run(&mut self.session)?,
            }
        }
        self.session.push(pushes)
    }
}
