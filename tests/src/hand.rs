//! A worker by hand: enlists, claims and settles when the test says so. It never beats by itself.

use std::sync::Arc;
use std::time::Duration;

use delay::store::{Claim, Enlist, Queues, Settled, Settlement, Store, Turn, Turned, WorkerId};
use delay::{Result, Transition};

/// The lease of every worker by hand.
pub const LEASE: Duration = Duration::from_secs(30);

/// A worker by hand.
pub struct Hand {
    store: Arc<dyn Store>,
    /// Its number.
    pub id: WorkerId,
}

impl Hand {
    /// A worker that the store knows, with a lease of [`LEASE`].
    ///
    /// # Errors
    /// If the store fails.
    pub async fn enlist(store: &Arc<dyn Store>) -> Result<Self> {
        let enlist = Enlist { name: "hand".to_owned(), lease: LEASE, functions: vec!["f".to_owned()] };
        Ok(Self { store: Arc::clone(store), id: store.enlist(enlist).await? })
    }

    /// A turn of this worker.
    ///
    /// # Errors
    /// If the store refuses it.
    pub async fn turn(&self, settle: Vec<Settlement>, want: usize, queues: Queues) -> Result<Turned> {
        self.store.turn(Turn { worker: self.id, settle, want, queues }).await
    }

    /// Claims up to `want` tasks.
    ///
    /// # Errors
    /// If the store refuses it.
    pub async fn claim(&self, want: usize) -> Result<Vec<Claim>> {
        Ok(self.turn(Vec::new(), want, Queues::All).await?.claims)
    }

    /// Claims one task.
    ///
    /// # Errors
    /// If the store refuses it.
    ///
    /// # Panics
    /// If there is none.
    pub async fn claim_one(&self) -> Result<Claim> {
        Ok(self.claim(1).await?.pop().expect("a task is ready"))
    }

    /// Settles one attempt.
    ///
    /// # Errors
    /// If the store refuses the turn.
    ///
    /// # Panics
    /// If the store does not answer for it.
    pub async fn settle(&self, claim: &Claim, transition: Transition) -> Result<Settled> {
        let settlement = Settlement { fence: claim.fence, transition };
        Ok(self.turn(vec![settlement], 0, Queues::All).await?.settled.pop().expect("an answer"))
    }

    /// Claims one task and ends it with success.
    ///
    /// # Errors
    /// If the store refuses it.
    ///
    /// # Panics
    /// If there is none, or the success is refused.
    pub async fn finish_one(&self) -> Result<Claim> {
        let claim = self.claim_one().await?;
        assert_eq!(self.settle(&claim, Transition::Succeed(None)).await?, Settled::Applied);
        Ok(claim)
    }
}
