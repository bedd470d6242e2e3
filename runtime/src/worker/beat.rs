//! The beat: renews the worker's lease on all that it holds, a third of the lease apart.

use std::time::Duration;

use tokio::task::AbortHandle;

use super::Worker;
use crate::store::WorkerId;

/// A beating worker, until this is dropped: while it leaves, it still has something to settle.
pub(super) struct Beat(Option<AbortHandle>);

impl Drop for Beat {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Begins to beat.
pub(super) fn start(worker: &Worker, id: WorkerId) -> Beat {
    let (store, lease) = (worker.store.clone(), worker.config.lease);
    let beat = async move {
        let mut wait = lease / 3;
        loop {
            tokio::time::sleep(wait).await;
            wait = match store.beat(id).await {
                Ok(()) => lease / 3,
                Err(error) if error.is_stale_lease() => {
                    // The loop learns it with its next turn, which the signal brings on.
                    store.signals().wake();
                    return;
                }
                Err(error) => {
                    tracing::error!(error = error.chain(), "the lease could not be renewed; trying again");
                    (lease / 10).max(Duration::from_millis(10))
                }
            };
        }
    };
    Beat(worker.stopper.run_worker("delay::beat", beat).ok().map(|task| task.abort_handle()))
}
