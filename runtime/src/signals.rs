//! How a store wakes those who wait in the same process: workers for tasks, callers for results. A signal is a hint to
//! look again, never the truth; nothing is lost when one is missed, for everybody who waits looks first.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{oneshot, watch};

use crate::id::TaskId;

/// The signals of one store.
#[derive(Debug)]
pub struct Signals {
    changed: watch::Sender<u64>,
    waiting: AtomicUsize,
    ended: AtomicU64,
    finished: Mutex<HashMap<TaskId, Vec<oneshot::Sender<()>>>>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            changed: watch::Sender::new(0),
            waiting: AtomicUsize::new(0),
            ended: AtomicU64::new(0),
            finished: Mutex::default(),
        }
    }
}

impl Signals {
    /// Changes whenever a task may have become claimable, or a worker is wanted for something else.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Fires once `id` has come to an end in this process. Subscribe first, look second.
    #[must_use]
    pub fn finished(&self, id: TaskId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        if waiters.len().is_power_of_two() {
            // Callers that gave up are swept out now and then, not at each call.
            waiters.retain(|_, senders| {
                senders.retain(|sender| !sender.is_closed());
                !senders.is_empty()
            });
        }
        waiters.entry(id).or_default().push(sender);
        // SeqCst: either `finish` sees this count, or the look at the store that follows sees what was finished.
        self.waiting.store(waiters.len(), Ordering::SeqCst);
        receiver
    }

    /// How many tasks came to their end in this process, by way of this store.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Whether anybody listens for tasks or for results.
    pub(crate) fn has_listeners(&self) -> bool {
        self.changed.receiver_count() > 0 || self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Something may be claimable.
    pub(crate) fn wake(&self) {
        self.changed.send_modify(|generation| *generation = generation.wrapping_add(1));
    }

    /// These tasks came to an end.
    pub(crate) fn finish(&self, ids: &[TaskId]) {
        // Relaxed: a figure for people.
        self.ended.fetch_add(ids.len() as u64, Ordering::Relaxed);
        self.fire(ids);
    }

    /// These tasks have come to an end, here or elsewhere.
    pub(crate) fn fire(&self, ids: &[TaskId]) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut waiters = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            for sender in waiters.remove(id).unwrap_or_default() {
                // A caller that gave up waiting is not an error.
                let _ = sender.send(());
            }
        }
        self.waiting.store(waiters.len(), Ordering::SeqCst);
    }

    /// Some of the tasks whose ends are waited for.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code))]
    pub(crate) fn awaited(&self, most: usize) -> Vec<TaskId> {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return Vec::new();
        }
        let waiters = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.keys().copied().take(most).collect()
    }

    /// Another process changed the store: everybody looks again.
    pub(crate) fn changed_elsewhere(&self) {
        self.wake();
        let mut waiters = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in waiters.drain().flat_map(|(_, senders)| senders) {
            let _ = sender.send(());
        }
        self.waiting.store(0, Ordering::SeqCst);
    }
}
