//! The stopper: lets a process end well.
//!
//! Everything that runs for longer than a call runs under a [`Stopper`]. It counts what runs, refuses new work when
//! asked to stop, waits for what runs, and then closes what is left, in order. This file owns the public face: making
//! a stopper, its life and what it tells; `stopper/run.rs` has the ways to run work and `stopper/closers.rs` those to
//! hand in closers. It never holds mechanism: that is below `stopper/`, from `gate` up, each file with its invariants.

mod builder;
mod census;
mod closers;
mod crew;
mod drive;
mod error;
mod gate;
mod latch;
mod life;
mod link;
mod names;
mod options;
mod panic;
mod roll;
mod run;
mod shard;
mod shared;
mod sync;
mod task_map;

#[cfg(all(test, delay_loom))]
mod models;
#[cfg(all(test, not(delay_loom)))]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::builder::Builder;
pub use self::census::{StopperReport, leaked_stoppers, live_stoppers};
pub use self::crew::Admission;
pub use self::error::{RunError, StillRunning, TaskPanic, Unavailable};
pub use self::latch::Signal;
pub use self::life::Life;
pub use self::link::CancelLink;
pub use self::options::{TaskOptions, TaskSpan, Wait};
pub use self::task_map::{TaskCount, TaskMap};

use self::shared::Shared;

/// How long [`Stopper::stop_within`] waits for what it has cancelled: once for tasks, once for workers.
const GRACE: Duration = Duration::from_secs(1);

/// Counts what runs, and stops it in order.
///
/// A stopper lives through four stages, in this order and never back:
///
/// 1. [`Running`](Life::Running): tasks and workers are taken.
/// 2. [`Quiescing`](Life::Quiescing): all work is refused, [`quiescing`](Self::quiescing) fires, tasks end.
/// 3. [`Stopping`](Life::Stopping): the last task has ended, [`stopping`](Self::stopping) fires, workers return, then
///    the closers run, in the order in which they were added.
/// 4. [`Stopped`](Life::Stopped): [`stopped`](Self::stopped) fires and [`stop`](Self::stop) returns to every caller.
///
/// Counting a task in and refusing it are one step, so none can start after the last was seen to end.
///
/// It is cheap to clone, and all clones are the same stopper. Unlike a task tracker it refuses what comes too late,
/// knows what it waits for by name, and has an order of closing. Admitting a task takes two atomic steps that threads
/// do not contend for, and no lock.
///
/// ```
/// use delay::stopper::Stopper;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stopper = Stopper::new();
/// stopper.add_closer(|| println!("connections closed"));
///
/// let quiescing = stopper.quiescing();
/// stopper.run_async_task("tick", async move { quiescing.await })?;
/// let sum = stopper.run_task("add", async { 1 + 1 }).await?;
/// assert_eq!(sum, 2);
///
/// stopper.stop().await; // `tick` has ended and the closer has run
/// assert!(stopper.run_task("late", async {}).await.is_err());
/// # Ok(())
/// # }
/// ```
///
/// Names are `&'static str`, and so few: each name and call site that was ever used keeps a small entry for as long as
/// the stopper lives.
#[derive(Clone)]
pub struct Stopper {
    shared: Arc<Shared>,
}

impl Stopper {
    /// A stopper with no name and no panic handler. Remembers its caller for [`leaked_stoppers`].
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A stopper with options.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Stops: refuses new work, waits for tasks and workers, runs the closers, and returns when all is over.
    ///
    /// It may be called any number of times and from anywhere: the first call begins, all return at the end. While it
    /// waits it says every 5 s, by `tracing`, for what.
    ///
    /// # Deadlocks
    ///
    /// A task, worker or closer of this stopper that awaits this waits for itself. Call
    /// [`request_stop`](Self::request_stop) there, or spawn the wait.
    ///
    /// # Cancel safety
    ///
    /// The stop begins when this is first polled, and from then on goes on whether this is polled, dropped or kept: it
    /// runs in a Tokio task of its own, and in a thread of its own where there is no runtime or if it goes away. Only
    /// the closer that is running when its runtime goes away is lost, as any future there.
    pub async fn stop(&self) {
        self.request_stop();
        self.stopped().await;
    }

    /// Begins to stop and returns at once: when it returns all work is refused. For tasks that end the process, and
    /// for signal handlers; needs no runtime. [`stopped`](Self::stopped) says when it is over.
    pub fn request_stop(&self) {
        self.shared.request_stop();
    }

    /// Stops; cancels what has not ended after `deadline`.
    ///
    /// First softly, as [`stop`](Self::stop). At the deadline, tasks that were started with `run_async_task` or its
    /// relatives are aborted: each ends where it next awaits. A second later, workers are, too. Another second later
    /// this gives up and reports.
    ///
    /// Returns what still ran at the deadline: nothing, if all ended by itself.
    ///
    /// # Errors
    ///
    /// [`StillRunning`] with what did not end: what does not await, what runs in place or under an [`Admission`] and
    /// so cannot be cancelled, and closers. The stop itself goes on.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with time.
    ///
    /// # Cancel safety
    ///
    /// As [`stop`](Self::stop), but once this is dropped nobody cancels anything any more.
    pub async fn stop_within(&self, deadline: Duration) -> Result<TaskMap, StillRunning> {
        let shared = &self.shared;
        self.request_stop();
        if tokio::time::timeout(deadline, self.stopped()).await.is_ok() {
            return Ok(TaskMap::default());
        }
        let late = shared.tasks.running();
        shared.tasks.abort();
        if tokio::time::timeout(GRACE, self.stopped()).await.is_ok() {
            return Ok(late);
        }
        shared.workers.abort();
        if tokio::time::timeout(GRACE, self.stopped()).await.is_ok() {
            return Ok(late);
        }
        Err(StillRunning {
            waited: deadline + 2 * GRACE,
            tasks: shared.tasks.running(),
            workers: shared.workers.running(),
            closers: shared.closers.running(),
        })
    }

    /// Refuses new work and waits for the tasks, but stops nothing else: workers run on, closers do not run.
    ///
    /// While it waits it says every 5 s, by `tracing`, for what.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with time.
    ///
    /// # Cancel safety
    ///
    /// Work is refused from the first poll on, for good. Only the waiting can be dropped.
    pub async fn quiesce(&self) {
        self.shared.quiesce();
        self.shared.wait_for(&self.shared.tasks, "tasks").await;
    }

    /// Fires when work begins to be refused.
    pub fn quiescing(&self) -> Signal {
        self.shared.quiescing.signal()
    }

    /// Fires when all tasks have ended and workers have to return.
    pub fn stopping(&self) -> Signal {
        self.shared.stopping.signal()
    }

    /// Fires when all is over: every worker returned, every closer run.
    pub fn stopped(&self) -> Signal {
        self.shared.stopped.signal()
    }

    /// Whether work is refused. True for whoever was refused.
    #[must_use]
    pub fn is_quiescing(&self) -> bool {
        self.shared.quiescing.is_open()
    }

    /// Whether all tasks have ended and workers have to return.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.stopping.is_open()
    }

    /// Whether all is over.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.is_open()
    }

    /// Where in its life it is.
    #[must_use]
    pub fn life(&self) -> Life {
        self.shared.life()
    }

    /// How many tasks run. Workers are not tasks.
    #[must_use]
    pub fn num_tasks(&self) -> usize {
        self.shared.tasks.total()
    }

    /// Which tasks run, by name and call site.
    #[must_use]
    pub fn running_tasks(&self) -> TaskMap {
        self.shared.tasks.running()
    }

    /// Which workers run, by name and call site.
    #[must_use]
    pub fn running_workers(&self) -> TaskMap {
        self.shared.workers.running()
    }

    /// All of the above in one value, which prints on one line. So does the stopper itself.
    #[must_use]
    pub fn report(&self) -> StopperReport {
        self.shared.report()
    }
}

impl Default for Stopper {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report().fmt(f)
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stopper").field(&self.report()).finish()
    }
}
