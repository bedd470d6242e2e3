//! Where a task stands: the moves into and out of the tables of those that wait. Each move is one small row; what the
//! task is stays where it was written.

use rusqlite::{Params, params};

use super::fault::fault;
use super::session::Session;
use crate::error::Result;
use crate::outcome::Hold;
use crate::task::TaskState;

const MAKE_READY: &str =
    "INSERT INTO delay_ready(queue, priority, eta, seq) SELECT queue, priority, coalesce(run.eta, task.eta), task.seq
    FROM delay_task AS task LEFT JOIN delay_run AS run ON run.seq = task.seq WHERE task.seq = ?1";

const SCHEDULE: &str = "INSERT INTO delay_scheduled(eta, seq) VALUES (?2, ?1)";

const HOLD: &str = "INSERT INTO delay_held(seq, hold) VALUES (?1, ?2)";

const LEAVE_READY: &str = "DELETE FROM delay_ready WHERE (queue, priority, eta, seq) =
    (SELECT queue, priority, coalesce(run.eta, task.eta), task.seq
    FROM delay_task AS task LEFT JOIN delay_run AS run ON run.seq = task.seq WHERE task.seq = ?1)";

const LEAVE_SCHEDULED: &str = "DELETE FROM delay_scheduled WHERE (eta, seq) =
    (SELECT coalesce(run.eta, task.eta), task.seq
    FROM delay_task AS task LEFT JOIN delay_run AS run ON run.seq = task.seq WHERE task.seq = ?1)";

const LEAVE_HELD: &str = "DELETE FROM delay_held WHERE seq = ?1";

/// Walks `delay_scheduled`.
const DUE: &str = "SELECT eta, seq FROM delay_scheduled WHERE eta <= ?1 ORDER BY eta, seq LIMIT ?2";

impl Session {
    pub(super) fn make_ready(&self, row: i64) -> Result<()> {
        self.write(MAKE_READY, [row])
    }

    pub(super) fn schedule(&self, row: i64, eta: i64) -> Result<()> {
        self.write(SCHEDULE, [row, eta])
    }

    pub(super) fn hold(&self, row: i64, hold: Hold) -> Result<()> {
        self.write(HOLD, params![row, hold as i64])
    }

    /// Takes a task out of the table of those that wait as it does.
    pub(super) fn leave(&self, row: i64, state: TaskState) -> Result<()> {
        match state {
            TaskState::Ready => self.write(LEAVE_READY, [row]),
            TaskState::Scheduled => self.write(LEAVE_SCHEDULED, [row]),
            TaskState::Held => self.write(LEAVE_HELD, [row]),
            TaskState::Running | TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled => Ok(()),
        }
    }

    /// Makes due tasks ready, `limit` at most.
    pub(super) fn promote(&self, limit: usize) -> Result<u64> {
        let due: Vec<(i64, i64)> = self
            .statement(DUE)?
            .query_map(params![self.now.as_micros(), limit as i64], |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect)
            .map_err(|error| fault("look for due tasks", error))?;
        for (eta, row) in &due {
            self.write("DELETE FROM delay_scheduled WHERE eta = ?1 AND seq = ?2", [eta, row])?;
            self.make_ready(*row)?;
        }
        Ok(due.len() as u64)
    }

    /// One write, by a statement that is kept.
    pub(super) fn write(&self, sql: &str, parameters: impl Params) -> Result<()> {
        self.statement(sql)?.execute(parameters).map(drop).map_err(|error| fault("change a task", error))
    }
}
