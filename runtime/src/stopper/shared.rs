//! What all handles of one stopper share, and its life: `Running -> Quiescing -> Stopping -> Stopped`, never back.
//!
//! It owns the steps of a stop. It never decides who runs them: `drive` does.
//!
//! # Invariants
//!
//! 1. Every step may be repeated and may be taken up by another driver where it was left: closing and firing happen
//!    once however often they are asked for, and closers are taken from the list one at a time.
//! 2. `quiescing` is set after both gates are closed and before any refusal returns. So whoever sees `is_quiescing`
//!    is refused, and whoever was refused sees `is_quiescing`.
//! 3. `stopping` is opened after the tasks' gate has drained, `stopped` after the workers', and after every closer
//!    that was handed in before has run.
//!
//! # Why it cannot deadlock
//!
//! `closing` is held while the gates close (their locks are leaves), and never while foreign code runs: wakers, tokens
//! and the gates' own shares are let go after it. The lock on the closers is held to take them over, for
//! which the roll's leaf lock is taken, or to pop one; neither is held over an `await`. A stop waits for tasks, then for workers, then for closers; none of the three waits for the driver, except
//! one that awaits `stop` itself, which is documented there.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::census::{self, StopperReport};
use super::closers::Closer;
use super::crew::{Admission, Crew};
use super::drive;
use super::error::Unavailable;
use super::latch::Latch;
use super::life::Life;
use super::names::Label;
use super::panic::PanicHandler;
use super::roll::Roll;
use super::shard;
use super::sync::Mutex;

/// How often a stop that waits says what for.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// Everything of one stopper.
pub(super) struct Shared {
    pub(super) id: u64,
    pub(super) name: Cow<'static, str>,
    pub(super) created: &'static Location<'static>,
    /// The runtime it was made in, for a stop that is requested from a plain thread.
    pub(super) home: Option<Handle>,
    pub(super) on_panic: PanicHandler,

    pub(super) tasks: Crew,
    pub(super) workers: Crew,
    /// Closers while they run.
    pub(super) closers: Crew,

    /// Tokens to cancel when quiescing, and when stopping, begins.
    pub(super) on_quiesce: Arc<Roll<CancellationToken>>,
    pub(super) on_stop: Arc<Roll<CancellationToken>>,
    /// Closers in their order, until a stop is requested; then `waiting_closers` has them.
    pub(super) closer_roll: Roll<Closer>,
    waiting_closers: Mutex<VecDeque<Closer>>,

    /// Held while the gates close; true once they are.
    closing: Mutex<bool>,
    requested: AtomicBool,
    pub(super) quiescing: Latch,
    pub(super) stopping: Latch,
    pub(super) stopped: Latch,
}

impl Shared {
    pub(super) fn new(
        name: Cow<'static, str>,
        created: &'static Location<'static>,
        on_panic: PanicHandler,
    ) -> Self {
        Self {
            id: census::next_id(),
            name,
            created,
            home: Handle::try_current().ok(),
            tasks: Crew::new(on_panic.clone()),
            workers: Crew::new(on_panic.clone()),
            closers: Crew::new(on_panic.clone()),
            on_panic,
            on_quiesce: Arc::new(Roll::new(shard::count())),
            on_stop: Arc::new(Roll::new(shard::count())),
            closer_roll: Roll::new(1),
            waiting_closers: Mutex::new(VecDeque::new()),
            closing: Mutex::new(false),
            requested: AtomicBool::new(false),
            quiescing: Latch::new(),
            stopping: Latch::new(),
            stopped: Latch::new(),
        }
    }

    pub(super) fn life(&self) -> Life {
        if self.stopped.is_open() {
            Life::Stopped
        } else if self.stopping.is_open() {
            Life::Stopping
        } else if self.quiescing.is_open() {
            Life::Quiescing
        } else {
            Life::Running
        }
    }

    #[inline]
    pub(super) fn admit_task(&self, label: Label) -> Result<Admission, Unavailable> {
        self.tasks.admit(label).ok_or_else(|| self.refuse(label))
    }

    pub(super) fn admit_worker(&self, label: Label) -> Result<Admission, Unavailable> {
        self.workers.admit(label).ok_or_else(|| self.refuse(label))
    }

    #[cold]
    fn refuse(&self, label: Label) -> Unavailable {
        // One cell is closed; when this returns all are, and `quiescing` is set. Otherwise a refused caller could
        // still get in by another door.
        drop(self.closing.lock());
        Unavailable::quiescing(label.name)
    }

    /// Steps 1 and 2: refuse new work, then tell everybody.
    pub(super) fn quiesce(&self) {
        let mut closing = self.closing.lock();
        if *closing {
            return;
        }
        let closed = (self.workers.close(), self.tasks.close());
        self.quiescing.set();
        *closing = true;
        drop(closing);
        self.quiescing.wake();
        for token in self.on_quiesce.close() {
            token.cancel();
        }
        drop(closed);
    }

    /// Begins the stop, once.
    pub(super) fn request_stop(self: &Arc<Self>) {
        // Before the election: when this returns, work is refused and closers come too late, whoever was elected.
        self.quiesce();
        let mut waiting = self.waiting_closers.lock();
        waiting.extend(self.closer_roll.close());
        drop(waiting);
        // Relaxed: it only elects the one who starts the driver.
        if !self.requested.swap(true, Ordering::Relaxed) {
            drive::start(Arc::clone(self));
        }
    }

    /// Steps 3 to 5; see invariant 1.
    pub(super) async fn finish(&self) {
        self.wait_for(&self.tasks, "tasks").await;
        self.stopping.open();
        for token in self.on_stop.close() {
            token.cancel();
        }
        self.wait_for(&self.workers, "workers").await;
        while let Some(closer) = self.next_closer() {
            self.run_closer(closer).await;
        }
        // Those that came after the stop was requested run by themselves and may still be at it.
        drop(self.closers.close());
        self.wait_for(&self.closers, "closers").await;
        census::stopped(self.id);
        self.stopped.open();
    }

    /// Waits until nobody of a closed crew is left, and says now and then who is.
    pub(super) async fn wait_for(&self, crew: &Crew, kind: &str) {
        let mut drained = crew.drained();
        while tokio::time::timeout(REPORT_EVERY, &mut drained).await.is_err() {
            let running = crew.running();
            tracing::info!(stopper = %self.name, "{} waits for {kind} ({}): {running}", self.life(), running.total());
        }
    }

    fn next_closer(&self) -> Option<Closer> {
        self.waiting_closers.lock().pop_front()
    }

    pub(super) fn report(&self) -> StopperReport {
        StopperReport {
            name: self.name.clone(),
            created: self.created,
            life: self.life(),
            tasks: self.tasks.running(),
            workers: self.workers.running(),
            closers: self.closers.running(),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !self.stopped.is_open() {
            let closers = self.closer_roll.len();
            if closers > 0 {
                tracing::warn!(stopper = %self.name, created = %self.created, "dropped without `stop`; closers that never ran: {closers}");
            }
            census::dropped_unstopped(self.id, self.report());
        }
    }
}
