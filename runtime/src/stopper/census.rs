//! The process's stoppers: which live, and which were never stopped. It never keeps one alive.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::life::Life;
use super::shared::Shared;
use super::task_map::TaskMap;

/// What one stopper is at, as far as one look can tell.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StopperReport {
    /// The name it was built with.
    pub name: Cow<'static, str>,
    /// Where it was made.
    pub created: &'static Location<'static>,
    /// Where in its life it is or, if it was dropped, was.
    pub life: Life,
    /// The tasks that run.
    pub tasks: TaskMap,
    /// The workers that run.
    pub workers: TaskMap,
    /// The closers that run.
    pub closers: TaskMap,
}

impl fmt::Display for StopperReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, created, life, .. } = self;
        write!(f, "stopper {name} ({}:{}): {life}", created.file(), created.line())?;
        for (kind, running) in
            [("tasks", &self.tasks), ("workers", &self.workers), ("closers", &self.closers)]
        {
            if !running.is_empty() {
                write!(f, "; {kind} ({}): {running}", running.total())?;
            }
        }
        Ok(())
    }
}

/// The stoppers of this process that are not stopped yet, oldest first: for a page that shows what a process is at.
///
/// ```
/// # use delay::stopper::{Stopper, live_stoppers};
/// let _stopper = Stopper::builder().name("mail").build();
/// for stopper in live_stoppers() {
///     println!("{stopper}");
/// }
/// ```
#[must_use]
pub fn live_stoppers() -> Vec<StopperReport> {
    // Collected first: a last reference that is dropped here takes the lock again.
    let living: Vec<Arc<Shared>> = register().living.values().filter_map(Weak::upgrade).collect();
    living.iter().map(|shared| shared.report()).collect()
}

/// The stoppers of this process that were never stopped, those that were dropped unstopped among them: for tests that
/// ask, at their end, whether everything was. Of those dropped, the last for each place where they are made.
#[must_use]
pub fn leaked_stoppers() -> Vec<StopperReport> {
    let dropped: Vec<StopperReport> = register().dropped.values().cloned().collect();
    dropped.into_iter().chain(live_stoppers()).collect()
}

struct Register {
    living: BTreeMap<u64, Weak<Shared>>,
    /// By place, so that a program that leaks in a loop does not grow this as well.
    dropped: BTreeMap<&'static Location<'static>, StopperReport>,
}

fn register() -> MutexGuard<'static, Register> {
    static REGISTER: Mutex<Register> =
        Mutex::new(Register { living: BTreeMap::new(), dropped: BTreeMap::new() });
    // Inserting and removing cannot leave it half done.
    REGISTER.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn next_id() -> u64 {
    // Relaxed: an id only has to be handed out once.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(super) fn created(shared: &Arc<Shared>) {
    register().living.insert(shared.id, Arc::downgrade(shared));
}

pub(super) fn stopped(id: u64) {
    register().living.remove(&id);
}

pub(super) fn dropped_unstopped(id: u64, report: StopperReport) {
    let mut register = register();
    register.living.remove(&id);
    register.dropped.insert(report.created, report);
}
