//! What an operator does to single tasks: retry, suspend, cancel, delete.

use std::time::Duration;

use rusqlite::params;

use super::fault::fault;
use super::finish::FORGET_RUN;
use super::inspect::{JOINS, STATE, read_state};
use super::key;
use super::session::Session;
use crate::error::Result;
use crate::outcome::Hold;
use crate::store::{Acted, Action, WorkerId};
use crate::task::{TaskId, TaskState};

/// A finished task's epoch goes on from where it was.
const REOPEN: &str = "INSERT INTO delay_run(seq, epoch, attempt, error) SELECT seq, epoch, 0, error FROM delay_done WHERE seq = ?1";

/// Its attempts counted anew, and due now.
const RENEW: &str = "INSERT INTO delay_run(seq, epoch, attempt, eta) VALUES (?1, 0, 0, ?2)
    ON CONFLICT(seq) DO UPDATE SET attempt = 0, crashes = 0, first_claim = NULL, eta = excluded.eta";

/// A name whose tombstone stands is the task's again; one that has gone to another task stays there.
const REVIVE_NAME: &str = "INSERT INTO delay_name(queue, name, id)
    SELECT queue, name, id FROM delay_task WHERE seq = ?1 AND name IS NOT NULL
    ON CONFLICT(queue, name) DO UPDATE SET until = NULL WHERE id = excluded.id";

const END: &str =
    "INSERT INTO delay_done(seq, state, epoch, attempt, crashes, finished, expires, eta, error)
    SELECT task.seq, ?5, coalesce(epoch, 0), coalesce(attempt, 0), coalesce(crashes, 0), ?2, ?3, run.eta,
    coalesce(?4, run.error) FROM delay_task AS task LEFT JOIN delay_run AS run ON run.seq = task.seq WHERE task.seq = ?1";

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
                self.leave(row, state)?;
                self.write(REOPEN, [row])?;
                self.write("DELETE FROM delay_done WHERE seq = ?1", [row])?;
                self.write(RENEW, params![row, self.now.as_micros()])?;
                self.write(REVIVE_NAME, [row])?;
                self.write(FORGET, [id.as_bytes()])?;
                self.forget_checkpoint(row)?;
                self.make_ready(row)?;
                self.after.wake = true;
            }
            (Action::Release, TaskState::Held) => {
                self.leave(row, state)?;
                self.make_ready(row)?;
                self.after.wake = true;
            }
            (Action::Suspend, TaskState::Ready) => {
                self.leave(row, state)?;
                self.hold(row, Hold::Suspended)?;
            }
            (Action::Suspend, TaskState::Running) => {
                self.ask_suspend(row)?;
                return Ok(Acted::Asked);
            }
            (Action::Cancel, TaskState::Ready | TaskState::Scheduled | TaskState::Held) => {
                self.cancel_waiting(id, row, state)?;
            }
            (Action::Cancel, TaskState::Running) => {
                self.ask_to_cancel(id)?;
                return Ok(Acted::Asked);
            }
            (Action::Delete, state) if state != TaskState::Running => {
                self.write(DELETE_NAME, params![id.as_bytes(), row])?;
                self.remove(id, row, state)?;
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
                Some((row, state, _)) if !state.is_finished() => self.cancel_waiting(id, row, state)?,
                _ => {}
            }
            self.write(FORGET, [id.as_bytes()])?;
        }
        Ok(running_here)
    }

    fn cancel_waiting(&mut self, id: TaskId, row: i64, state: TaskState) -> Result<()> {
        let why = Some("cancelled before it ran");
        self.end_waiting(id, row, state, (TaskState::Cancelled, why, self.retention.cancelled))
    }

    /// A task that waits as `from` comes to its end: a state, an error, and for how long it is kept.
    pub(super) fn end_waiting(
        &mut self,
        id: TaskId,
        row: i64,
        from: TaskState,
        (state, error, keep): (TaskState, Option<&str>, Duration),
    ) -> Result<()> {
        let expires = self.now.after(keep).as_micros();
        self.leave(row, from)?;
        self.write(END, params![row, self.now.as_micros(), expires, error, state as i64])?;
        self.write(FORGET_RUN, [row])?;
        self.bury_name(id, row, Duration::ZERO)?;
        self.after.finished.push(id);
        Ok(())
    }

    /// Removes a task that does not run with all that is known of it; what becomes of its name is the caller's affair.
    pub(super) fn remove(&mut self, id: TaskId, row: i64, state: TaskState) -> Result<()> {
        self.leave(row, state)?;
        self.write(FORGET_RUN, [row])?;
        self.write("DELETE FROM delay_done WHERE seq = ?1", [row])?;
        self.forget_checkpoint(row)?;
        self.write("DELETE FROM delay_task WHERE seq = ?1", [row])?;
        self.after.finished.push(id);
        Ok(())
    }

    /// Asks the worker that runs a task to drop it.
    pub(super) fn ask_to_cancel(&mut self, id: TaskId) -> Result<()> {
        self.after.wake = true;
        self.write("INSERT OR IGNORE INTO delay_cancel VALUES (?1)", [id.as_bytes()])
    }

    /// Where the task's row is, its state, and who runs it.
    pub(super) fn look_up(&self, id: TaskId) -> Result<Option<(i64, TaskState, Option<i64>)>> {
        (|| {
            let Some(row) = key::find(&self.connection, id)? else { return Ok(None) };
            let sql = format!("SELECT {STATE}, worker FROM delay_task AS task {JOINS} WHERE task.seq = ?1");
            let mut statement = self.connection.prepare_cached(&sql)?;
            let (state, worker) = statement.query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Some((row, read_state(state)?, worker)))
        })()
        .map_err(|error| fault("look at a task", error))
    }
}
