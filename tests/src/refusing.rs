//! A store that may be away when attempts have ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use delay::store::memory::MemoryStore;
use delay::store::{Pending, Pushed, Retention, Store, Turn, Turned};
use delay::{Clock, Result, Task};
use tokio::sync::watch;

use crate::delegate::delegate;

/// While it refuses, no turn that settles anything comes through.
#[derive(Debug)]
pub struct Refusing {
    store: Arc<dyn Store>,
    closed: Arc<dyn Store>,
    refuses: AtomicBool,
    refused: watch::Sender<usize>,
}

impl Refusing {
    /// Refuses from now on what `store` would do.
    ///
    /// # Errors
    /// The other one, which is closed, cannot be.
    pub async fn new(store: Arc<dyn Store>) -> Result<Arc<Self>> {
        let closed = Arc::new(MemoryStore::new(Clock::System, Retention::default()));
        closed.close().await?;
        Ok(Arc::new(Self { store, closed, refuses: true.into(), refused: watch::Sender::new(0) }))
    }

    /// Refuses nothing any more.
    pub fn comes_back(&self) {
        self.refuses.store(false, Ordering::Release);
    }

    /// How many turns it has refused.
    #[must_use]
    pub fn refused(&self) -> watch::Receiver<usize> {
        self.refused.subscribe()
    }
}

impl Store for Refusing {
    fn push(&self, tasks: Vec<Task>) -> Pending<'_, Vec<Pushed>> {
        self.store.push(tasks)
    }

    fn turn(&self, turn: Turn) -> Pending<'_, Turned> {
        if turn.settle.is_empty() || !self.refuses.load(Ordering::Acquire) {
            return self.store.turn(turn);
        }
        self.refused.send_modify(|count| *count += 1);
        self.closed.turn(turn)
    }

    delegate!(within Store);
}

delegate!(Inspect and Upkeep for Refusing);

delegate!(Checkpoints for Refusing);

delegate!(QueueBook and QueueDesk for Refusing);
