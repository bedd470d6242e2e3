//! Adding tasks.

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};

use super::fault::fault;
use super::key;
use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::store::Pushed;
use crate::task::{Task, TaskId, TaskState};
use crate::time::Timestamp;

const INSERT: &str =
    "INSERT INTO delay_task(seq, id, state, priority, eta, created, queue, name, tag, options, payload)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT(seq) DO NOTHING";

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
    let act = |error| fault("add tasks", error);
    let mut statement = connection.prepare_cached(INSERT).map_err(act)?;
    let mut pushed = Vec::with_capacity(tasks.len());
    for task in tasks {
        pushed.push(match take_name(connection, task, now).map_err(act)? {
            Some(taken) => Pushed::NameTaken(taken),
            None => {
                let is_in = insert(connection, &mut statement, task, now).map_err(act)?;
                is_in.then_some(Pushed::Added).ok_or_else(crowded)?
            }
        });
    }
    Ok(pushed)
}

/// Adds one task at the first of its keys that is free. The same id twice is the same task: whoever did not hear the
/// answer may ask again. `false` if other tasks have all its keys.
fn insert(
    connection: &Connection,
    statement: &mut CachedStatement<'_>,
    task: &Task,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let eta = task.due.eta(now);
    let state = if eta > now { TaskState::Scheduled } else { TaskState::Ready };
    for key in key::keys(task.id) {
        let added = statement.execute(params![
            key,
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
        if added == 1 || key::at(connection, key)? == Some(task.id) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Eight processes would have to add thousands of tasks each in one millisecond.
fn crowded() -> Error {
    Error::new(Kind::Unavailable, "too many tasks were added within one millisecond: add these again")
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
