//! Adding tasks.

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};

use super::fault::fault;
use super::key;
use super::queues::QueueNumbers;
use super::session::Session;
use crate::error::Result;
use crate::store::Pushed;
use crate::task::{Task, TaskId};
use crate::time::Timestamp;

const INSERT: &str =
    "INSERT INTO delay_task(seq, id, priority, eta, created, queue, name, tag, options, payload)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT(seq) DO NOTHING";

/// A task of nothing but its payload: most are.
const INSERT_PLAIN: &str = "INSERT INTO delay_task(seq, id, priority, eta, created, queue, payload)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(seq) DO NOTHING";

const READY: &str = "INSERT INTO delay_ready(queue, priority, eta, seq) VALUES (?1, ?2, ?3, ?4)";

const SCHEDULE: &str = "INSERT INTO delay_scheduled(eta, seq) VALUES (?1, ?2)";

/// Takes a name, unless a pending task has it or its tombstone still stands.
const TAKE_NAME: &str = "INSERT INTO delay_name(queue, name, id) VALUES (?1, ?2, ?3)
    ON CONFLICT(queue, name) DO UPDATE SET id = excluded.id, until = NULL WHERE until <= ?4";

const NAME_HOLDER: &str = "SELECT id FROM delay_name WHERE queue = ?1 AND name = ?2";

impl Session {
    pub(super) fn push(&mut self, tasks: &[Task]) -> Result<Vec<Pushed>> {
        let pushed = push(&self.connection, &mut self.queues, tasks, self.now)?;
        self.after.wake = true;
        Ok(pushed)
    }
}

/// Adds tasks through any connection that is in a transaction, the user's own included. The same id twice is the same
/// task: whoever did not hear the answer may ask again.
pub(super) fn push(
    connection: &Connection,
    queues: &mut QueueNumbers,
    tasks: &[Task],
    now: Timestamp,
) -> Result<Vec<Pushed>> {
    (|| {
        let mut adder = Adder {
            connection,
            now,
            insert: connection.prepare_cached(INSERT)?,
            insert_plain: connection.prepare_cached(INSERT_PLAIN)?,
            ready: connection.prepare_cached(READY)?,
        };
        let mut strays = key::any_strays(connection)?;
        let mut pushed = Vec::with_capacity(tasks.len());
        for task in tasks {
            // Asked first only where it matters: the insert itself notices a task that is at its own key.
            let is_known = (strays || task.name.is_some()) && key::find(connection, task.id)?.is_some();
            if is_known {
                pushed.push(Pushed::Added);
                continue;
            }
            let queue = queues.number(connection, &task.queue)?;
            if let Some(holder) = take_name(connection, queue, task, now)? {
                pushed.push(Pushed::NameTaken(holder));
                continue;
            }
            let added = adder.add(key::own_key(task.id), queue, task)?;
            if !added && key::find(connection, task.id)?.is_none() {
                adder.add(key::stray_key(connection, task.id)?, queue, task)?;
                strays = true;
            }
            pushed.push(Pushed::Added);
        }
        Ok(pushed)
    })()
    .map_err(|error| fault("add tasks", error))
}

struct Adder<'a> {
    connection: &'a Connection,
    now: Timestamp,
    insert: CachedStatement<'a>,
    insert_plain: CachedStatement<'a>,
    ready: CachedStatement<'a>,
}

impl Adder<'_> {
    /// Writes what the task is and where it stands; `false`, and nothing, if there is a task of this key.
    fn add(&mut self, key: i64, queue: i64, task: &Task) -> rusqlite::Result<bool> {
        let due = task.due.eta(self.now);
        let eta = due.as_micros();
        let (id, now, Task { priority, name, tag, options, payload, .. }) =
            (task.id.as_bytes(), self.now.as_micros(), task);
        let added = if name.is_none() && tag.is_none() && options.is_none() {
            self.insert_plain.execute(params![key, id, priority, eta, now, queue, payload])?
        } else {
            let all = params![key, id, priority, eta, now, queue, name, tag, options, payload];
            self.insert.execute(all)?
        };
        if added == 0 {
            return Ok(false);
        }
        if due > self.now {
            self.connection.prepare_cached(SCHEDULE)?.execute(params![eta, key])?;
        } else {
            self.ready.execute(params![queue, task.priority, eta, key])?;
        }
        Ok(true)
    }
}

/// The other task that has the name, if one does.
fn take_name(
    connection: &Connection,
    queue: i64,
    task: &Task,
    now: Timestamp,
) -> rusqlite::Result<Option<TaskId>> {
    let Some(name) = &task.name else { return Ok(None) };
    let taken = connection.prepare_cached(TAKE_NAME)?.execute(params![
        queue,
        name,
        task.id.as_bytes(),
        now.as_micros()
    ])?;
    if taken == 1 {
        return Ok(None);
    }
    let holder: Option<[u8; 16]> = connection
        .prepare_cached(NAME_HOLDER)?
        .query_row(params![queue, name], |row| row.get(0))
        .optional()?;
    Ok(holder.map(TaskId::from_bytes).filter(|holder| *holder != task.id))
}
