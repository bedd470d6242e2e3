//! Stores that lie. The checker of histories is only worth something if it notices them.

use std::sync::{Arc, Mutex, PoisonError};

use delay::Result;
use delay::Task;
use delay::store::{Claim, Pending, Pushed, Settled, Store, Turn, Turned};
use serde::{Deserialize, Serialize};

use crate::delegate::delegate;

/// What a store lies about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lie {
    /// It acknowledges tasks that it still holds in memory; every sixteenth call writes them.
    AcknowledgesEarly,
    /// It acknowledges ends of attempts and does nothing.
    ForgetsEnds,
    /// It lets everybody settle whatever the newest epoch is.
    IgnoresFences,
    /// It hands each claim out a second time.
    ClaimsTwice,
}

/// A lying store.
#[derive(Debug)]
pub struct Lying {
    store: Arc<dyn Store>,
    lie: Lie,
    late: Mutex<Vec<Vec<Task>>>,
    claimed: Mutex<Vec<Claim>>,
}

impl Lying {
    /// Lies about what `store` does.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, lie: Lie) -> Self {
        Self { store, lie, late: Mutex::default(), claimed: Mutex::default() }
    }

    async fn push_later(&self, tasks: Vec<Task>) -> Result<Vec<Pushed>> {
        let answers = vec![Pushed::Added; tasks.len()];
        let due = {
            let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
            late.push(tasks);
            if late.len() < 16 { Vec::new() } else { std::mem::take(&mut *late) }
        };
        for tasks in due {
            self.store.push(tasks).await?;
        }
        Ok(answers)
    }

    async fn newest(&self, mut turn: Turn) -> Result<Turn> {
        for settlement in &mut turn.settle {
            let record = self.store.get(vec![settlement.fence.id]).await?.remove(0);
            settlement.fence.epoch = record.map_or(0, |record| record.epoch);
        }
        Ok(turn)
    }

    fn again(&self, mut turned: Turned) -> Turned {
        let fresh = turned.claims.clone();
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        turned.claims.extend(std::mem::replace(&mut *claimed, fresh));
        turned
    }
}

impl Store for Lying {
    fn push(&self, tasks: Vec<Task>) -> Pending<'_, Vec<Pushed>> {
        match self.lie {
            Lie::AcknowledgesEarly => Box::pin(self.push_later(tasks)),
            _ => self.store.push(tasks),
        }
    }

    fn turn(&self, mut turn: Turn) -> Pending<'_, Turned> {
        match self.lie {
            Lie::AcknowledgesEarly => self.store.turn(turn),
            Lie::ForgetsEnds => Box::pin(async move {
                let settled = vec![Settled::Applied; std::mem::take(&mut turn.settle).len()];
                Ok(Turned { settled, ..self.store.turn(turn).await? })
            }),
            Lie::IgnoresFences => Box::pin(async move { self.store.turn(self.newest(turn).await?).await }),
            Lie::ClaimsTwice => Box::pin(async move { Ok(self.again(self.store.turn(turn).await?)) }),
        }
    }

    delegate!(within Store);
}

delegate!(Inspect and Upkeep for Lying);

delegate!(Checkpoints for Lying);

delegate!(QueueBook and QueueDesk for Lying);
