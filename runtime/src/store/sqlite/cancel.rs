//! What an operator does to single tasks: retry, cancel, delete.

use rusqlite::params;

use super::fault::fault;
use super::key;
use super::session::Session;
use crate::error::Result;
use crate::store::{Acted, Action, WorkerId};
use crate::task::{TaskId, TaskState};

const STATE: &str = "SELECT state, worker FROM delay_task WHERE seq = ?1";

const REVIVE: &str =
    "UPDATE delay_task SET state = 0, eta = ?2, attempt = 0, crashes = 0, first_claim = NULL,
    finished = NULL, expires = NULL, hold = NULL WHERE seq = ?1";

const RELEASE: &str = "UPDATE delay_task SET state = 0, hold = NULL WHERE seq = ?1";

/// A name whose tombstone stands is the task's again; one that has gone to another task stays there.
const REVIVE_NAME: &str = "INSERT INTO delay_name(queue, name, id)
    SELECT queue, name, id FROM delay_task WHERE seq = ?1 AND name IS NOT NULL
    ON CONFLICT(queue, name) DO UPDATE SET until = NULL WHERE id = excluded.id";

const CANCEL: &str =
    "UPDATE delay_task SET state = 6, finished = ?2, expires = ?3, error = ?4, hold = NULL WHERE seq = ?1";

/// A request to cancel that is honoured, or that a later word has overtaken.
const FORGET: &str = "DELETE FROM delay_cancel WHERE id = ?1";

const DELETE_NAME: &str = "DELETE FROM delay_name WHERE id = ?1
    AND (queue, name) = (SELECT queue, name FROM delay_task WHERE seq = ?2)";

impl Session {
    pub(super) fn act(&mut self, action: Action, id: TaskId) -> Result<Acted> {
        let Some((row, state, _)) = self.look_up(id)? else { return Ok(Acted::Unknown) };
        match (action, state) {
            (
                Action::Retry,
                TaskState::Held | TaskState::Failed | TaskState::Cancelled | TaskState::Scheduled,
            ) => {
                self.write(REVIVE, params![row, self.now.as_micros()])?;
                self.write(REVIVE_NAME, [row])?;
                self.write(FORGET, [id.as_bytes()])?;
                self.after.wake = true;
            }
            (Action::Release, TaskState::Held) => {
                self.write(RELEASE, [row])?;
                self.after.wake = true;
            }
            (Action::Cancel, TaskState::Ready | TaskState::Scheduled | TaskState::Held) => {
                self.cancel_waiting(id, row)?;
            }
            (Action::Cancel, TaskState::Running) => {
                self.write("INSERT OR IGNORE INTO delay_cancel VALUES (?1)", [id.as_bytes()])?;
                self.after.wake = true;
                return Ok(Acted::Asked);
            }
            (Action::Delete, state) if state != TaskState::Running => {
                self.write(DELETE_NAME, params![id.as_bytes(), row])?;
                self.write("DELETE FROM delay_task WHERE seq = ?1", [row])?;
                self.after.finished.push(id);
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
            match self.look_up(id)? {
                Some((_, TaskState::Running, runner)) => {
                    running_here.extend((runner == Some(worker.0)).then_some(id));
                    continue;
                }
                Some((row, state, _)) if !state.is_finished() => self.cancel_waiting(id, row)?,
                _ => {}
            }
            self.write(FORGET, [id.as_bytes()])?;
        }
        Ok(running_here)
    }

    fn cancel_waiting(&mut self, id: TaskId, row: i64) -> Result<()> {
        let expires = self.now.after(self.retention.cancelled).as_micros();
        self.write(CANCEL, params![row, self.now.as_micros(), expires, "cancelled before it ran"])?;
        self.bury_name(id, row)?;
        self.after.finished.push(id);
        Ok(())
    }

    /// Where the task's row is, its state, and who runs it.
    fn look_up(&self, id: TaskId) -> Result<Option<(i64, TaskState, Option<i64>)>> {
        (|| {
            let Some(row) = key::find(&self.connection, id)? else { return Ok(None) };
            let mut statement = self.connection.prepare_cached(STATE)?;
            let (state, worker): (i64, _) =
                statement.query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(TaskState::from_code(state).map(|state| (row, state, worker)))
        })()
        .map_err(|error| fault("look at a task", error))
    }

    fn write(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<()> {
        self.statement(sql)?.execute(parameters).map(drop).map_err(|error| fault("change a task", error))
    }
}
