//! The enqueueing half of a runtime: a store, and what may go into it.

use std::fmt;
use std::sync::Arc;

use crate::draft::{Content, Draft};
use crate::error::Result;
use crate::limits::Limits;
use crate::store::{Pushed, Store};

/// Adds tasks, and asks after them. Cheap to clone; a program that only enqueues needs nothing else.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> delay::Result<()> {
/// let client = delay::Client::open("sqlite:jobs.db").await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    limits: Limits,
}

impl Client {
    /// A client of a store that is open already.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, limits: Limits) -> Self {
        Self(Arc::new(Inner { store, limits }))
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// What may go in.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Closes the store in order. Dropping the last clone does so, too, and blocks for a moment.
    ///
    /// # Errors
    /// If the store's own work has failed.
    pub async fn close(&self) -> Result<()> {
        self.0.store.close().await
    }

    /// Adds drafts, all or none.
    pub(crate) async fn push(&self, drafts: Vec<Draft>) -> Result<Added> {
        if drafts.iter().any(|draft| draft.content != Content::Call) {
            let configs = self.0.store.queue_configs().await?;
            drafts
                .iter()
                .filter(|draft| draft.content != Content::Call)
                .try_for_each(|draft| draft.fits(&configs))?;
        }
        self.push_fitting(drafts).await
    }

    /// Adds drafts whose queues have been looked at, all or none.
    pub(crate) async fn push_fitting(&self, drafts: Vec<Draft>) -> Result<Added> {
        let tasks =
            drafts.into_iter().map(|draft| draft.check(&self.0.limits)).collect::<Result<Vec<_>>>()?;
        let pushed = self.0.store.push(tasks).await?;
        Ok(Added { pushed, client: Some(self.clone()) })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("store", &self.0.store).finish_non_exhaustive()
    }
}

/// What an enqueueing context did, aligned with the drafts.
#[derive(Debug)]
pub struct Added {
    /// What became of each.
    pub(crate) pushed: Vec<Pushed>,
    /// For handles that can ask after their tasks.
    pub(crate) client: Option<Client>,
}
