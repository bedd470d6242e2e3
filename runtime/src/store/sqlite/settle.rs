//! Ending attempts. Every statement is fenced: it changes nothing unless the worker still runs the task
//! under the epoch. A row's key may be used again after its task has gone, a worker's number never, so that a fence of
//! another task that was at the same key cannot hold.

use std::time::Duration;

use rusqlite::params;

use super::fault::fault;
use super::session::Session;
use crate::error::Result;
use crate::outcome::{Hold, Transition};
use crate::store::{Fence, Settled, Settlement, WorkerId};
use crate::task::{TaskId, TaskState};

/// What is known of the attempts goes along; nothing happens unless the fence holds.
const FINISH: &str =
    "INSERT INTO delay_done(seq, state, epoch, attempt, crashes, finished, expires, eta, error, result)
    SELECT seq, ?4, epoch, attempt, crashes, ?5, ?6, eta, coalesce(?7, error), ?8
    FROM delay_run WHERE seq = ?1 AND epoch = ?2 AND worker = ?3";

const WAIT: &str = "UPDATE delay_run SET worker = NULL, started = 0, eta = coalesce(?4, eta),
    attempt = max(0, attempt - ?5), error = coalesce(?6, error) WHERE seq = ?1 AND epoch = ?2 AND worker = ?3";

/// What is not running and does not wait has no attempts to come.
pub(super) const FORGET_RUN: &str = "DELETE FROM delay_run WHERE seq = ?1";

const BURY_NAME: &str = "UPDATE delay_name SET until = ?2 WHERE id = ?1
    AND (queue, name) = (SELECT queue, name FROM delay_task WHERE seq = ?3)";

const START: &str = "UPDATE delay_run SET started = 1 WHERE seq = ?1 AND epoch = ?2 AND worker IS NOT NULL";

/// What a settlement does to a task that will run again.
struct Wait<'a> {
    place: Place,
    give_back: u32,
    error: Option<&'a str>,
}

/// Where it waits.
#[derive(Clone, Copy)]
enum Place {
    /// Where it was in the queue.
    AsBefore,
    /// Due after this.
    After(Duration),
    Held(Hold),
}

impl Session {
    pub(super) fn settle(&mut self, worker: WorkerId, settlements: &[Settlement]) -> Result<Vec<Settled>> {
        settlements.iter().map(|settlement| self.settle_one(worker, settlement)).collect()
    }

    fn settle_one(&mut self, worker: WorkerId, settlement: &Settlement) -> Result<Settled> {
        let plain = Wait { place: Place::AsBefore, give_back: 1, error: None };
        let wait = match &settlement.transition {
            Transition::Succeed(kept) => {
                let value = kept.as_ref().map(|kept| kept.value.as_slice());
                return self.finish(worker, settlement, TaskState::Succeeded, None, value);
            }
            Transition::Fail { error } => {
                return self.finish(worker, settlement, TaskState::Failed, Some(error), None);
            }
            Transition::Cancel { reason } => {
                return self.finish(worker, settlement, TaskState::Cancelled, Some(reason), None);
            }
            Transition::Retry { wait, error } => {
                Wait { place: Place::After(*wait), give_back: 0, error: Some(error) }
            }
            Transition::Snooze { wait } => Wait { place: Place::After(*wait), ..plain },
            Transition::Refund => plain,
            Transition::Hold { hold, error } => {
                Wait { place: Place::Held(*hold), error: Some(error), ..plain }
            }
        };
        self.wait(worker, settlement.fence, &wait)
    }

    fn finish(
        &mut self,
        worker: WorkerId,
        settlement: &Settlement,
        state: TaskState,
        error: Option<&str>,
        value: Option<&[u8]>,
    ) -> Result<Settled> {
        let Fence { id, epoch, named, row } = settlement.fence;
        let keep = self.retention.keep(&settlement.transition).unwrap_or_default();
        let now = self.now.as_micros();
        let expires = self.now.after(keep).as_micros();
        let finished = self
            .statement(FINISH)?
            .execute(params![row, epoch, worker.0, state as i64, now, expires, error, value])
            .map_err(|error| fault("finish a task", error))?;
        if finished == 0 {
            return Ok(Settled::Stale);
        }
        self.write(FORGET_RUN, [row])?;
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

    fn wait(&mut self, worker: WorkerId, fence: Fence, wait: &Wait<'_>) -> Result<Settled> {
        let eta = match wait.place {
            Place::After(wait) => Some(self.now.after(wait).as_micros()),
            Place::AsBefore | Place::Held(_) => None,
        };
        let changed = self
            .statement(WAIT)?
            .execute(params![fence.row, fence.epoch, worker.0, eta, wait.give_back, wait.error])
            .map_err(|error| fault("put a task back", error))?;
        if changed == 0 {
            return Ok(Settled::Stale);
        }
        match (wait.place, eta) {
            (Place::Held(hold), _) => self.hold(fence.row, hold)?,
            (Place::After(wait), Some(eta)) if !wait.is_zero() => self.schedule(fence.row, eta)?,
            _ => self.make_ready(fence.row)?,
        }
        Ok(Settled::Applied)
    }

    /// Notes that attempts begin.
    pub(super) fn start(&mut self, fences: &[Fence]) -> Result<Vec<Settled>> {
        let mut statement = self.statement(START)?;
        fences
            .iter()
            .map(|fence| {
                let changed = statement
                    .execute(params![fence.row, fence.epoch])
                    .map_err(|error| fault("note a start", error))?;
                Ok(if changed == 0 { Settled::Stale } else { Settled::Applied })
            })
            .collect()
    }
}
