//! Adding tasks.

use std::sync::LazyLock;

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

/// [`READY`] for many.
static READY_MANY: LazyLock<String> = LazyLock::new(|| {
    let rows = vec!["(?, ?, ?, ?)"; MANY].join(", ");
    format!("INSERT INTO delay_ready(queue, priority, eta, seq) VALUES {rows}")
});

/// [`INSERT_PLAIN`] for many that are known to be new.
static INSERT_MANY: LazyLock<String> = LazyLock::new(|| {
    let rows = vec!["(?, ?, ?, ?, ?, ?, ?)"; MANY].join(", ");
    format!("INSERT INTO delay_task(seq, id, priority, eta, created, queue, payload) VALUES {rows}")
});

const SCHEDULE: &str = "INSERT INTO delay_scheduled(eta, seq) VALUES (?1, ?2)";

/// Takes a name, unless a pending task has it or its tombstone still stands.
const TAKE_NAME: &str = "INSERT INTO delay_name(queue, name, id) VALUES (?1, ?2, ?3)
    ON CONFLICT(queue, name) DO UPDATE SET id = excluded.id, until = NULL WHERE until <= ?4";

const NAME_HOLDER: &str = "SELECT id FROM delay_name WHERE queue = ?1 AND name = ?2";

/// So many rows are written by one statement: from the second row on it need not look for the place.
const MANY: usize = 16;

impl Session {
    /// Adds what has gathered; each caller's answers go to its own list.
    pub(super) fn push(&mut self, pushes: Vec<(&[Task], &mut Vec<Pushed>)>) -> Result<()> {
        if pushes.is_empty() {
            return Ok(());
        }
        self.after.wake = true;
        let pushed = (|| {
            let tasks = pushes.iter().flat_map(|(tasks, _)| tasks.iter());
            let mut adder = Adder::prepare(&self.connection, &mut self.queues, tasks, self.now)?;
            for (tasks, pushed) in pushes {
                *pushed = adder.push(tasks)?;
            }
            adder.end()
        })();
        pushed.map_err(|error| fault("add tasks", error))
    }
}

/// Adds tasks through any connection that is in a transaction, the user's own included.
pub(super) fn push(connection: &Connection, tasks: &[Task], now: Timestamp) -> Result<Vec<Pushed>> {
    let mut queues = QueueNumbers::default();
    let pushed = Adder::prepare(connection, &mut queues, tasks.iter(), now).and_then(|mut adder| {
        let pushed = adder.push(tasks)?;
        adder.end().map(|()| pushed)
    });
    pushed.map_err(|error| fault("add tasks", error))
}

/// The statements that add tasks, kept over a transaction.
struct Adder<'a> {
    connection: &'a Connection,
    queues: &'a mut QueueNumbers,
    now: Timestamp,
    /// Whether any task is not at its own key.
    strays: bool,
    /// Whether all tasks are certainly new, each with a key of its own.
    all_new: bool,
    insert_plain: CachedStatement<'a>,
    insert_many: CachedStatement<'a>,
    ready_many: CachedStatement<'a>,
    /// New tasks that are not written yet.
    plain: Vec<Plain<'a>>,
    /// Ready tasks whose places are not written yet.
    ready: Vec<Place>,
}

/// A task of nothing but its payload: key, queue and eta.
type Plain<'a> = (&'a Task, i64, i64, i64);

/// Where a ready task stands: queue, priority, eta and key.
type Place = (i64, i16, i64, i64);

impl<'a> Adder<'a> {
    fn prepare(
        connection: &'a Connection,
        queues: &'a mut QueueNumbers,
        tasks: impl Iterator<Item = &'a Task>,
        now: Timestamp,
    ) -> rusqlite::Result<Self> {
        let strays = key::any_strays(connection)?;
        Ok(Self {
            connection,
            queues,
            now,
            strays,
            all_new: !strays && all_new(connection, tasks)?,
            insert_plain: connection.prepare_cached(INSERT_PLAIN)?,
            insert_many: connection.prepare_cached(&INSERT_MANY)?,
            ready_many: connection.prepare_cached(&READY_MANY)?,
            plain: Vec::with_capacity(MANY),
            ready: Vec::with_capacity(MANY),
        })
    }

    /// The same id twice is the same task: whoever did not hear the answer may ask again.
    fn push(&mut self, tasks: &'a [Task]) -> rusqlite::Result<Vec<Pushed>> {
        tasks.iter().map(|task| self.push_one(task)).collect()
    }

    fn push_one(&mut self, task: &'a Task) -> rusqlite::Result<Pushed> {
        // Asked first only where it matters: the insert itself notices a task that is at its own key.
        let ask = self.strays || task.name.is_some();
        if ask && key::find(self.connection, task.id)?.is_some() {
            return Ok(Pushed::Added);
        }
        let queue = self.queues.number(self.connection, &task.queue)?;
        if let Some(holder) = take_name(self.connection, queue, task, self.now)? {
            return Ok(Pushed::of_name(holder, task.id));
        }
        let added = self.add(key::own_key(task.id), queue, task)?;
        if !added && key::find(self.connection, task.id)?.is_none() {
            self.add(key::stray_key(self.connection, task.id)?, queue, task)?;
            self.strays = true;
        }
        Ok(Pushed::Added)
    }

    /// Writes what the task is and where it stands; `false`, and nothing, if there is a task of this key.
    fn add(&mut self, key: i64, queue: i64, task: &'a Task) -> rusqlite::Result<bool> {
        let due = task.due.eta(self.now);
        let eta = due.as_micros();
        if !self.insert((task, key, queue, eta))? {
            return Ok(false);
        }
        if due > self.now {
            self.connection.prepare_cached(SCHEDULE)?.execute(params![eta, key])?;
        } else {
            self.ready.push((queue, task.priority, eta, key));
            if self.ready.len() == MANY {
                self.write_places()?;
            }
        }
        Ok(true)
    }

    fn insert(&mut self, plain: Plain<'a>) -> rusqlite::Result<bool> {
        let (Task { id, priority, name, tag, options, payload, .. }, key, queue, eta) = plain;
        let is_plain = name.is_none() && tag.is_none() && options.is_none();
        let (id, now) = (id.as_bytes(), self.now.as_micros());
        if is_plain && self.all_new {
            self.plain.push(plain);
            if self.plain.len() == MANY {
                self.write_plain()?;
            }
            return Ok(true);
        }
        let added = if is_plain {
            self.insert_plain.execute(params![key, id, priority, eta, now, queue, payload])?
        } else {
            let all = params![key, id, priority, eta, now, queue, name, tag, options, payload];
            self.connection.prepare_cached(INSERT)?.execute(all)?
        };
        Ok(added == 1)
    }

    fn write_plain(&mut self) -> rusqlite::Result<()> {
        let now = self.now.as_micros();
        for (row, (task, key, queue, eta)) in self.plain.drain(..).enumerate() {
            let bind = &mut self.insert_many;
            let first = row * 7 + 1;
            bind.raw_bind_parameter(first, key)?;
            bind.raw_bind_parameter(first + 1, task.id.as_bytes())?;
            bind.raw_bind_parameter(first + 2, task.priority)?;
            bind.raw_bind_parameter(first + 3, eta)?;
            bind.raw_bind_parameter(first + 4, now)?;
            bind.raw_bind_parameter(first + 5, queue)?;
            bind.raw_bind_parameter(first + 6, &task.payload)?;
        }
        self.insert_many.raw_execute().map(drop)
    }

    fn write_places(&mut self) -> rusqlite::Result<()> {
        for (row, (queue, priority, eta, key)) in self.ready.drain(..).enumerate() {
            for (column, value) in [queue, priority.into(), eta, key].into_iter().enumerate() {
                self.ready_many.raw_bind_parameter(row * 4 + column + 1, value)?;
            }
        }
        self.ready_many.raw_execute().map(drop)
    }

    /// Writes what is left.
    fn end(mut self) -> rusqlite::Result<()> {
        let now = self.now.as_micros();
        for (task, key, queue, eta) in std::mem::take(&mut self.plain) {
            let Task { id, priority, payload, .. } = task;
            self.insert_plain.execute(params![key, id.as_bytes(), priority, eta, now, queue, payload])?;
        }
        for (queue, priority, eta, key) in std::mem::take(&mut self.ready) {
            self.connection.prepare_cached(READY)?.execute(params![queue, priority, eta, key])?;
        }
        Ok(())
    }
}

/// Whether tasks are certainly new, each with a key of its own: there is none between the first and the last of their
/// keys. Not asked for a few, which are added faster one by one.
fn all_new<'a>(connection: &Connection, tasks: impl Iterator<Item = &'a Task>) -> rusqlite::Result<bool> {
    let mut keys: Vec<i64> = tasks.map(|task| key::own_key(task.id)).collect();
    if keys.len() < MANY {
        return Ok(false);
    }
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return Ok(false);
    }
    let between = connection.prepare_cached("SELECT 1 FROM delay_task WHERE seq BETWEEN ?1 AND ?2");
    between?.exists(params![keys[0], keys[keys.len() - 1]]).map(|any| !any)
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
    // The task itself is not in the store: a tombstone of its own says that it was, and was removed.
    Ok(holder.map(TaskId::from_bytes))
}
