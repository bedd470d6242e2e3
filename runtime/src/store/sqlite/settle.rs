//! Ending attempts. Every statement is fenced: it changes nothing unless the worker still runs the task
//! under the epoch. A row's key may be used again after its task has gone, a worker's number never, so that a fence of
//! another task that was at the same key cannot hold.

use std::time::Duration;

use rusqlite::params;

use super::fault::fault;
use super::finish::{Finish, Finisher};
use super::limits::{Limits, micros};
use super::session::Session;
use crate::error::{Error, Result};
use crate::outcome::{Hold, Transition};
use crate::store::{Fence, Settled, Settlement, WorkerId};
use crate::task::{TaskId, TaskState};

const WAIT: &str = "UPDATE delay_run SET worker = NULL, started = 0, eta = coalesce(?4, eta),
    attempt = max(0, attempt - ?5), error = coalesce(?6, error) WHERE seq = ?1 AND epoch = ?2 AND worker = ?3";

/// For the tombstone time of its queue, or else the store's (?5); at least for ?4.
const BURY_NAME: &str = "UPDATE delay_name SET until = ?2 + min(9223372036854775807 - ?2, max(?4,
    coalesce((SELECT tombstone FROM delay_limit WHERE queue = delay_name.queue), ?5)))
    WHERE id = ?1 AND (queue, name) = (SELECT queue, name FROM delay_task WHERE seq = ?3)";

const START: &str = "UPDATE delay_run SET started = 1 WHERE seq = ?1 AND epoch = ?2 AND worker IS NOT NULL";

/// What a transition does to a task.
enum Change<'a> {
    Finish(Finish<'a>),
    Wait(Wait<'a>),
}

/// It will run again.
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

impl<'a> Change<'a> {
    fn of(transition: &'a Transition) -> Self {
        let finish = |state, error| Self::Finish(Finish { state, error, value: None });
        let wait = |place, give_back, error| Self::Wait(Wait { place, give_back, error });
        match transition {
            Transition::Succeed(kept) => {
                let value = kept.as_ref().map(|kept| kept.value.as_slice());
                Self::Finish(Finish { state: TaskState::Succeeded, error: None, value })
            }
            Transition::Fail { error } => finish(TaskState::Failed, Some(error)),
            Transition::Cancel { reason } => finish(TaskState::Cancelled, Some(reason)),
            Transition::Retry { wait: after, error } => wait(Place::After(*after), 0, Some(error)),
            Transition::Snooze { wait: after } => wait(Place::After(*after), 1, None),
            Transition::Refund => wait(Place::AsBefore, 1, None),
            Transition::Hold { hold, error } => wait(Place::Held(*hold), 1, Some(error)),
        }
    }
}

fn finish_fault(error: rusqlite::Error) -> Error {
    fault("finish a task", error)
}

impl Session {
    pub(super) fn settle(
        &mut self,
        worker: WorkerId,
        settlements: &[Settlement],
        limits: &mut Limits,
    ) -> Result<Vec<Settled>> {
        let mut finisher =
            Finisher::prepare(&self.connection, worker, self.now, &self.retention).map_err(finish_fault)?;
        let mut settled = Vec::with_capacity(settlements.len());
        for settlement in settlements {
            let Settlement { fence, transition } = settlement;
            let applied = match Change::of(transition) {
                Change::Finish(finish) => {
                    let expires = self.now.after(self.retention.keep(transition).unwrap_or_default());
                    let applied = finisher.finish(*fence, &finish, expires).map_err(finish_fault)?;
                    if applied && fence.named {
                        self.bury_name(fence.id, fence.row, self.retention.bury_at_least(transition))?;
                    }
                    self.after.finished.extend(applied.then_some(fence.id));
                    applied
                }
                Change::Wait(wait) => {
                    let applied = self.wait(worker, *fence, &wait)?;
                    self.after.wake |= applied;
                    applied
                }
            };
            if applied && fence.limit != 0 {
                limits.ended(fence.limit);
            }
            settled.push(if applied { Settled::Applied } else { Settled::Stale });
        }
        finisher.end().map_err(finish_fault)?;
        Ok(settled)
    }

    /// Starts the tombstone time of a finished task's name.
    pub(super) fn bury_name(&self, id: TaskId, row: i64, least: Duration) -> Result<()> {
        let (least, tombstone) = (micros(least), micros(self.retention.tombstone));
        self.statement(BURY_NAME)?
            .execute(params![id.as_bytes(), self.now.as_micros(), row, least, tombstone])
            .map(drop)
            .map_err(|error| fault("keep a task's name", error))
    }

    /// Whether the fence held.
    fn wait(&self, worker: WorkerId, fence: Fence, wait: &Wait<'_>) -> Result<bool> {
        let eta = match wait.place {
            Place::After(wait) => Some(self.now.after(wait).as_micros()),
            Place::AsBefore | Place::Held(_) => None,
        };
        let changed = self
            .statement(WAIT)?
            .execute(params![fence.row, fence.epoch, worker.0, eta, wait.give_back, wait.error])
            .map_err(|error| fault("put a task back", error))?;
        if changed == 0 {
            return Ok(false);
        }
        match (wait.place, eta) {
            (Place::Held(hold), _) => {
                self.hold(fence.row, hold)?;
                self.unask_suspend(fence.row)?;
            }
            (Place::After(wait), Some(eta)) if !wait.is_zero() => self.schedule(fence.row, eta)?,
            _ => self.make_ready(fence.row)?,
        }
        Ok(true)
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
