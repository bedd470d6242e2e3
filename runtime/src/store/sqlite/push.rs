//! Adding tasks.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::fault::fault;
use super::session::Session;
use crate::error::Result;
use crate::store::Pushed;
use crate::task::{Task, TaskId, TaskState};
use crate::time::Timestamp;

/// The same id twice is the same task: whoever did not hear the answer may ask again.
const INSERT: &str =
    "INSERT INTO delay_task(id, state, priority, eta, created, queue, name, tag, options, payload)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT(id) DO NOTHING";

/// Takes a name, unless a pending task has it or its tombstone still stands.
const TAKE_NAME: &str = "INSERT INTO delay_name(queue, name, id) VALUES (?1, ?2, ?3)
    ON CONFLICT(queue, name) DO UPDATE SET id = excluded.id, until = NULL WHERE until <= ?4";

const NAME_HOLDER: &str = "SELECT id FROM delay_name WHERE queue = ?1 AND name = ?2";

impl Session {
    pub(super) fn push(&mut self, tasks: &[Task]) -> Result<Vec<Pushed>> {
        let pushed = push(&self.connection, tasks, self.now)?;
        self.wake = true;
        Ok(pushed)
    }
}

/// Adds tasks through any connection that is in a transaction, the user's own included.
pub(super) fn push(connection: &Connection, tasks: &[Task], now: Timestamp) -> Result<Vec<Pushed>> {
    (|| {
        let mut insert = connection.prepare_cached(INSERT)?;
        let mut pushed = Vec::with_capacity(tasks.len());
        for task in tasks {
            if let Some(taken) = take_name(connection, task, now)? {
                pushed.push(Pushed::NameTaken(taken));
                continue;
            }
            let eta = task.due.eta(now);
            let state = if eta > now { TaskState::Scheduled } else { TaskState::Ready };
            insert.execute(params![
                task.id.as_bytes(),
                state as i64,
                task.priority,
                eta.as_micros(),
                now.as_micros(),
                task.queue,
                task.name,
                task.tag,
                task.options,
                task.payload,
            ])?;
            pushed.push(Pushed::Added);
        }
        Ok(pushed)
    })()
    .map_err(|error| fault("add tasks", error))
}

/// The other task that has the name, if one does.
fn take_name(connection: &Connection, task: &Task, now: Timestamp) -> rusqlite::Result<Option<TaskId>> {
    let Some(name) = &task.name else { return Ok(None) };
    let taken = connection.prepare_cached(TAKE_NAME)?.execute(params![
        task.queue,
        name,
        task.id.as_bytes(),
        now.as_micros()
    ])?;
    if taken == 1 {
        return Ok(None);
    }
    let holder: Option<[u8; 16]> = connection
        .prepare_cached(NAME_HOLDER)?
        .query_row(params![task.queue, name], |row| row.get(0))
        .optional()?;
    Ok(holder.map(TaskId::from_bytes).filter(|holder| *holder != task.id))
}
