//! Turns whose fate is unknown: the connection was lost before the answer came. What such a turn may have claimed must
//! not stay with a worker that does not know of it, so before the worker's next turn it is given back.
//!
//! The statement may still be on its way, or run on after its client is gone. So the worker's era rises: that waits for
//! a turn that runs (turns hold the worker's row), and one that comes later finds an era that is over, and does nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio_postgres::types::Type;

use super::base::Base;
use super::sql::Sql;
use crate::error::Result;
use crate::store::{WorkerId, stale_lease};

/// What is known of the workers of this process.
#[derive(Debug, Default)]
pub(super) struct Lost(Mutex<HashMap<WorkerId, Worker>>);

#[derive(Clone, Debug, Default)]
struct Worker {
    era: i64,
    /// Turns of unknown fate.
    turns: Vec<i64>,
}

impl Lost {
    fn with<T>(&self, worker: WorkerId, look: impl FnOnce(&mut Worker) -> T) -> T {
        look(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(worker).or_default())
    }

    /// The worker's era, for its next turn.
    pub(super) fn era(&self, worker: WorkerId) -> i64 {
        self.with(worker, |worker| worker.era)
    }

    /// Another process, or an older one of the same number, has raised the era.
    pub(super) fn set_era(&self, worker: WorkerId, era: i64) {
        self.with(worker, |worker| worker.era = worker.era.max(era));
    }

    /// Nobody knows what became of a turn.
    pub(super) fn lose(&self, worker: WorkerId, turn: i64) {
        self.with(worker, |worker| worker.turns.push(turn));
    }

    pub(super) fn forget(&self, worker: WorkerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&worker);
    }

    fn turns(&self, worker: WorkerId) -> Vec<i64> {
        self.with(worker, |worker| worker.turns.clone())
    }

    fn found(&self, worker: WorkerId, era: i64, turns: &[i64]) {
        self.with(worker, |worker| {
            worker.era = worker.era.max(era);
            worker.turns.retain(|turn| !turns.contains(turn));
        });
    }
}

/// Changes no key, but says `FOR UPDATE` first: only that waits for the turns, which hold `KEY SHARE`.
const NEXT_ERA: Sql = Sql {
    text: "WITH me AS (SELECT id FROM @.worker WHERE id = $1 FOR UPDATE)
        UPDATE @.worker w SET era = w.era + 1 FROM me WHERE w.id = me.id RETURNING w.era",
    types: &[Type::INT8],
};

const GIVE_BACK: Sql = Sql {
    text: "WITH claims AS (DELETE FROM @.claim WHERE worker = $1 AND turn = ANY ($2) RETURNING tasks)
        UPDATE @.task SET place = 7, worker = NULL, started = false, attempt = greatest(0, attempt - 1)
        WHERE id = ANY (ARRAY(SELECT unnest(tasks) FROM claims)) AND worker = $1",
    types: &[Type::INT8, Type::INT8_ARRAY],
};

impl Base {
    /// Gives back what turns of unknown fate may have claimed, if there were any.
    pub(super) async fn make_good(&self, worker: WorkerId) -> Result<()> {
        let turns = self.lost.turns(worker);
        if turns.is_empty() {
            return Ok(());
        }
        let session = self.session().await?;
        // Two statements, each by itself: the second one must see what the first one has waited for.
        let eras = session.rows("undo a turn of unknown fate", &NEXT_ERA, &[&worker.0]).await?;
        let era = eras.first().ok_or_else(stale_lease)?.get(0);
        session.rows("undo a turn of unknown fate", &GIVE_BACK, &[&worker.0, &turns]).await?;
        self.lost.found(worker, era, &turns);
        self.woke();
        Ok(())
    }
}
