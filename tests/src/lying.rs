//! Stores that lie. The checker of histories is only worth something if it notices them.

use std::sync::{Arc, Mutex, PoisonError};

use delay::Task;
use delay::store::{
    Acted, Action, Claim, Count, Enlist, Fence, Filter, Inspect, Pending, Pushed, Settled, Signals, Store,
    TaskRecord, Turn, Turned, Upkeep, UpkeepRules, Upkept, WorkerId, WorkerRecord,
};
use delay::{Result, TaskId};
use serde::{Deserialize, Serialize};

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

    fn enlist(&self, worker: Enlist) -> Pending<'_, WorkerId> {
        self.store.enlist(worker)
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

    fn start(&self, fences: Vec<Fence>) -> Pending<'_, Vec<Settled>> {
        self.store.start(fences)
    }

    fn beat(&self, worker: WorkerId) -> Pending<'_, ()> {
        self.store.beat(worker)
    }

    fn retire(&self, worker: WorkerId) -> Pending<'_, ()> {
        self.store.retire(worker)
    }

    fn signals(&self) -> &Signals {
        self.store.signals()
    }

    fn close(&self) -> Pending<'_, ()> {
        self.store.close()
    }
}

impl Inspect for Lying {
    fn get(&self, ids: Vec<TaskId>) -> Pending<'_, Vec<Option<TaskRecord>>> {
        self.store.get(ids)
    }

    fn list(&self, filter: Filter) -> Pending<'_, Vec<TaskRecord>> {
        self.store.list(filter)
    }

    fn counts(&self) -> Pending<'_, Vec<Count>> {
        self.store.counts()
    }

    fn workers(&self) -> Pending<'_, Vec<WorkerRecord>> {
        self.store.workers()
    }
}

impl Upkeep for Lying {
    fn upkeep(&self, rules: UpkeepRules) -> Pending<'_, Upkept> {
        self.store.upkeep(rules)
    }

    fn act(&self, action: Action, ids: Vec<TaskId>) -> Pending<'_, Vec<Acted>> {
        self.store.act(action, ids)
    }
}
