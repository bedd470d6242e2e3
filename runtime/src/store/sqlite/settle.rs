//! Ending attempts. Every statement is fenced: it changes nothing unless the task is still running under the epoch.

use rusqlite::params;

use super::fault::fault;
use super::session::Session;
use crate::error::Result;
use crate::outcome::Transition;
use crate::store::{Fence, Settled, Settlement};
use crate::task::{TaskId, TaskState};

const FINISH: &str =
    "UPDATE delay_task SET state = ?3, finished = ?4, expires = ?5, error = coalesce(?6, error),
    result = ?7, worker = NULL, started = 0 WHERE seq = ?8 AND id = ?1 AND epoch = ?2 AND state = 2";

const WAIT: &str =
    "UPDATE delay_task SET state = ?3, eta = coalesce(?4, eta), attempt = max(0, attempt - ?5),
    error = coalesce(?6, error), hold = ?7, worker = NULL, started = 0
    WHERE seq = ?8 AND id = ?1 AND epoch = ?2 AND state = 2";

const BURY_NAME: &str = "UPDATE delay_name SET until = ?2 WHERE id = ?1
    AND (queue, name) = (SELECT queue, name FROM delay_task WHERE seq = ?3)";

const START: &str =
    "UPDATE delay_task SET started = 1 WHERE seq = ?3 AND id = ?1 AND epoch = ?2 AND state = 2";

/// What a settlement does to a task that will run again.
struct Wait<'a> {
    state: TaskState,
    eta: Option<i64>,
    give_back: u32,
    error: Option<&'a str>,
    hold: Option<i64>,
}

impl Session {
    pub(super) fn settle(&mut self, settlements: &[Settlement]) -> Result<Vec<Settled>> {
        settlements.iter().map(|settlement| self.settle_one(settlement)).collect()
    }

    fn settle_one(&mut self, settlement: &Settlement) -> Result<Settled> {
        let fence = settlement.fence;
        let due = |wait| Some(self.now.after(wait).as_micros());
        let waiting =
            |wait: std::time::Duration| if wait.is_zero() { TaskState::Ready } else { TaskState::Scheduled };
        let plain = Wait { state: TaskState::Ready, eta: None, give_back: 1, error: None, hold: None };
        let wait = match &settlement.transition {
            Transition::Succeed(kept) => {
                let value = kept.as_ref().map(|kept| kept.value.as_slice());
                return self.finish(settlement, TaskState::Succeeded, None, value);
            }
            Transition::Fail { error } => {
                return self.finish(settlement, TaskState::Failed, Some(error), None);
            }
            Transition::Cancel { reason } => {
                return self.finish(settlement, TaskState::Cancelled, Some(reason), None);
            }
            Transition::Retry { wait, error } => {
                Wait { state: waiting(*wait), eta: due(*wait), give_back: 0, error: Some(error), hold: None }
            }
            Transition::Snooze { wait } => Wait { state: waiting(*wait), eta: due(*wait), ..plain },
            Transition::Refund => plain,
            Transition::Hold { hold, error } => {
                Wait { state: TaskState::Held, error: Some(error), hold: Some(*hold as i64), ..plain }
            }
        };
        self.wait(fence, &wait)
    }

    fn finish(
        &mut self,
        settlement: &Settlement,
        state: TaskState,
        error: Option<&str>,
        value: Option<&[u8]>,
    ) -> Result<Settled> {
        let Fence { id, epoch, named, row } = settlement.fence;
        let keep = self.retention.keep(&settlement.transition).unwrap_or_default();
        let now = self.now.as_micros();
        let expires = self.now.after(keep).as_micros();
        let changed = self
            .statement(FINISH)?
            .execute(params![id.as_bytes(), epoch, state as i64, now, expires, error, value, row])
            .map_err(|error| fault("finish a task", error))?;
        if changed == 0 {
            return Ok(Settled::Stale);
        }
        if named {
            self.bury_name(id, row)?;
        }
        self.after.finished.push(id);
        Ok(Settled::Applied)
    }

    /// Starts the tombstone time of a finished task's name.
    pub(super) fn bury_name(&self, id: TaskId, row: i64) -> Result<()> {
        let until = self.now.after(self.retention.tombstone).as_micros();
        self.statement(BURY_NAME)?
            .execute(params![id.as_bytes(), until, row])
            .map(drop)
            .map_err(|error| fault("keep a task's name", error))
    }

    fn wait(&mut self, fence: Fence, wait: &Wait<'_>) -> Result<Settled> {
        let changed = self
            .statement(WAIT)?
            .execute(params![
                fence.id.as_bytes(),
                fence.epoch,
                wait.state as i64,
                wait.eta,
                wait.give_back,
                wait.error,
                wait.hold,
                fence.row
            ])
            .map_err(|error| fault("put a task back", error))?;
        self.after.wake |= changed > 0 && wait.state != TaskState::Held;
        Ok(if changed == 0 { Settled::Stale } else { Settled::Applied })
    }

    /// Notes that attempts begin.
    pub(super) fn start(&mut self, fences: &[Fence]) -> Result<Vec<Settled>> {
        let mut statement = self.statement(START)?;
        fences
            .iter()
            .map(|fence| {
                let changed = statement
                    .execute(params![fence.id.as_bytes(), fence.epoch, fence.row])
                    .map_err(|error| fault("note a start", error))?;
                Ok(if changed == 0 { Settled::Stale } else { Settled::Applied })
            })
            .collect()
    }
}
