//! A store that tells in this process whenever something in it has moved. Everything is done by the store behind it.

use std::ops::Deref;
use std::sync::Arc;

use delay::Task;
use delay::store::{Checkpoints, Fence, Pending, Pushed, Settled, Store, Turn, Turned};
use tokio::sync::watch;

use crate::delegate::delegate;

/// The watched store.
#[derive(Debug)]
pub struct Watched {
    store: Arc<dyn Store>,
    moved: watch::Sender<()>,
}

impl Watched {
    /// Tells of what `store` does.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, moved: watch::Sender::new(()) })
    }

    /// Changes after each turn that has claimed or settled something, and after each checkpoint.
    #[must_use]
    pub fn moves(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }

    /// Looks now, and after each move, until there is something to be seen.
    pub async fn until<T>(&self, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let mut moves = self.moves();
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            moves.changed().await.expect("the store is there");
        }
    }
}

/// Whatever moves nothing, or is not to be told.
impl Deref for Watched {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl Store for Watched {
    fn push(&self, tasks: Vec<Task>) -> Pending<'_, Vec<Pushed>> {
        self.store.push(tasks)
    }

    fn lanes(&self) -> usize {
        self.store.lanes()
    }

    fn turn(&self, turn: Turn) -> Pending<'_, Turned> {
        Box::pin(async move {
            let turned = self.store.turn(turn).await?;
            if !(turned.settled.is_empty() && turned.claims.is_empty()) {
                self.moved.send_replace(());
            }
            Ok(turned)
        })
    }

    delegate!(within Store);
}

impl Checkpoints for Watched {
    fn checkpoint(&self, fence: Fence, bytes: Option<Vec<u8>>) -> Pending<'_, Settled> {
        Box::pin(async move {
            let settled = self.store.checkpoint(fence, bytes).await?;
            self.moved.send_replace(());
            Ok(settled)
        })
    }

    delegate!(within Checkpoints);
}

delegate!(Inspect and Upkeep for Watched);

delegate!(QueueBook and QueueDesk for Watched);
