//! What an operator does to single tasks: retry, cancel, delete.

use rusqlite::{OptionalExtension as _, params};

use super::fault::fault;
use super::session::Session;
use crate::error::Result;
use crate::store::{Acted, Action, WorkerId};
use crate::task::{TaskId, TaskState};

const STATE: &str = "SELECT state, worker FROM delay_task WHERE id = ?1";

const REVIVE: &str =
    "UPDATE delay_task SET state = 0, eta = ?2, attempt = 0, crashes = 0, first_claim = NULL,
    finished = NULL, expires = NULL, hold = NULL WHERE id = ?1";

/// A name whose tombstone stands is the task's again; one that has gone to another task stays there.
const REVIVE_NAME: &str = "INSERT INTO delay_name(queue, name, id)
    SELECT queue, name, id FROM delay_task WHERE id = ?1 AND name IS NOT NULL
    ON CONFLICT(queue, name) DO UPDATE SET until = NULL WHERE id = excluded.id";

const CANCEL: &str =
    "UPDATE delay_task SET state = 6, finished = ?2, expires = ?3, error = ?4, hold = NULL WHERE id = ?1";

const DELETE_NAME: &str = "DELETE FROM delay_name WHERE id = ?1
    AND (queue, name) = (SELECT queue, name FROM delay_task WHERE id = ?1)";

impl Session {
    pub(super) fn act(&mut self, action: Action, id: TaskId) -> Result<Acted> {
        let Some((state, _)) = self.state_of(id)? else { return Ok(Acted::Unknown) };
        match (action, state) {
            (
                Action::Retry,
                TaskState::Held | TaskState::Failed | TaskState::Cancelled | TaskState::Scheduled,
            ) => {
                self.write(REVIVE, params![id.as_bytes(), self.now.as_micros()])?;
                self.write(REVIVE_NAME, [id.as_bytes()])?;
                self.wake = true;
            }
            (Action::Cancel, TaskState::Ready | TaskState::Scheduled | TaskState::Held) => {
                self.cancel_waiting(id)?
            }
            (Action::Cancel, TaskState::Running) => {
                self.write("INSERT OR IGNORE INTO delay_cancel VALUES (?1)", [id.as_bytes()])?;
                self.wake = true;
                return Ok(Acted::Asked);
            }
            (Action::Delete, state) if state != TaskState::Running => {
                self.write(DELETE_NAME, [id.as_bytes()])?;
                self.write("DELETE FROM delay_task WHERE id = ?1", [id.as_bytes()])?;
                self.finished.push(id);
            }
            (_, state) => return Ok(Acted::Wrong(state)),
        }
        Ok(Acted::Done)
    }

    /// Cancels what was asked to be cancelled while it ran and came back to wait; answers what `worker` still runs.
    pub(super) fn honour_cancels(&mut self, worker: WorkerId) -> Result<Vec<TaskId>> {
        let asked: Vec<TaskId> = self
            .statement("SELECT id FROM delay_cancel")?
            .query_map([], |row| row.get(0).map(TaskId::from_bytes))
            .and_then(Iterator::collect)
            .map_err(|error| fault("look for tasks to cancel", error))?;
        let mut running_here = Vec::new();
        for id in asked {
            match self.state_of(id)? {
                Some((TaskState::Running, runner)) => {
                    running_here.extend((runner == Some(worker.0)).then_some(id));
                    continue;
                }
                Some((state, _)) if !state.is_finished() => self.cancel_waiting(id)?,
                _ => {}
            }
            self.write("DELETE FROM delay_cancel WHERE id = ?1", [id.as_bytes()])?;
        }
        Ok(running_here)
    }

    fn cancel_waiting(&mut self, id: TaskId) -> Result<()> {
        let expires = self.now.after(self.retention.cancelled).as_micros();
        self.write(CANCEL, params![id.as_bytes(), self.now.as_micros(), expires, "cancelled before it ran"])?;
        self.bury_name(id)?;
        self.finished.push(id);
        Ok(())
    }

    fn state_of(&self, id: TaskId) -> Result<Option<(TaskState, Option<i64>)>> {
        let found: Option<(i64, Option<i64>)> = self
            .statement(STATE)?
            .query_row([id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(|error| fault("look at a task", error))?;
        Ok(found.and_then(|(state, worker)| Some((TaskState::from_code(state)?, worker))))
    }

    fn write(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<()> {
        self.statement(sql)?.execute(parameters).map(drop).map_err(|error| fault("change a task", error))
    }
}
