//! Reads for people, on a connection of their own.

use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use super::fault::fault;
use super::key;
use crate::error::Result;
use crate::outcome::Hold;
use crate::store::{Count, Filter, Order, TaskRecord, WorkerId, WorkerRecord};
use crate::task::{TaskId, TaskState};
use crate::time::Timestamp;

/// Where a task stands, told from the tables that [`JOINS`] adds.
pub(super) const STATE: &str =
    "CASE WHEN done.seq IS NOT NULL THEN done.state WHEN run.worker IS NOT NULL THEN 2
    WHEN held.seq IS NOT NULL THEN 3 WHEN scheduled.seq IS NOT NULL THEN 1 ELSE 0 END";

pub(super) const JOINS: &str =
    "JOIN delay_queue AS queue ON queue.number = task.queue LEFT JOIN delay_run AS run ON run.seq = task.seq
    LEFT JOIN delay_done AS done ON done.seq = task.seq LEFT JOIN delay_held AS held ON held.seq = task.seq
    LEFT JOIN delay_scheduled AS scheduled
    ON scheduled.eta = coalesce(run.eta, task.eta) AND scheduled.seq = task.seq";

const COLUMNS: &str = "id, queue.name, task.name, tag, priority, coalesce(done.eta, run.eta, task.eta),
    coalesce(done.attempt, run.attempt, 0), coalesce(done.epoch, run.epoch, 0),
    coalesce(done.crashes, run.crashes, 0), created, finished, worker, hold, coalesce(done.error, run.error),
    options, payload, result";

/// Whole records, for [`read_record`].
pub(super) static RECORD: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {STATE}, {COLUMNS} FROM delay_task AS task {JOINS}"));

/// A task's id as people write it.
pub(super) const UUID: &str = "lower(substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' ||
    substr(hex(id), 13, 4) || '-' || substr(hex(id), 17, 4) || '-' || substr(hex(id), 21))";

pub(super) fn get(connection: &Connection, ids: &[TaskId]) -> Result<Vec<Option<TaskRecord>>> {
    let sql = format!("{} WHERE task.seq = ?1 AND task.id = ?2", *RECORD);
    let get = |id: &TaskId| {
        let Some(row) = key::find(connection, *id)? else { return Ok(None) };
        let mut statement = connection.prepare_cached(&sql)?;
        statement.query_row(params![row, id.as_bytes()], read_record).optional()
    };
    ids.iter().map(get).collect::<rusqlite::Result<_>>().map_err(|error| fault("read tasks", error))
}

/// The table to walk for tasks of a state: the smallest that has them all, in the order of their keys.
fn table_to_walk(state: Option<TaskState>) -> &'static str {
    match state {
        None | Some(TaskState::Ready) => "delay_task",
        Some(TaskState::Scheduled) => "delay_scheduled",
        Some(TaskState::Running) => "delay_run",
        Some(TaskState::Held) => "delay_held",
        Some(TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled) => "delay_done",
    }
}

pub(super) fn list(connection: &Connection, filter: &Filter) -> Result<Vec<TaskRecord>> {
    let mut conditions = vec!["1".to_owned()];
    if let Some(state) = filter.state {
        conditions.push(format!("{STATE} = {}", state as i64));
    }
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut add = |condition: &str, value: Box<dyn ToSql>| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(queue) = &filter.queue {
        add("queue.name = ?", Box::new(queue.clone()));
    }
    if let Some(name) = &filter.name {
        add("task.name = ?", Box::new(name.clone()));
    }
    if let Some(prefix) = filter.payload_prefix.as_ref().filter(|prefix| !prefix.is_empty()) {
        add("substr(payload, 1, length(?)) = ?", Box::new(prefix.clone()));
    }
    let (direction, beyond) = match filter.order {
        Order::OldestFirst => ("ASC", "walked.seq > ?"),
        Order::NewestFirst => ("DESC", "walked.seq < ?"),
    };
    if let Some(id) = filter.beyond {
        let row = key::find(connection, id).map_err(|error| fault("list tasks", error))?;
        add(beyond, Box::new(row.unwrap_or_else(|| key::own_key(id))));
    }
    let sql = format!(
        "SELECT {STATE}, {COLUMNS} FROM (SELECT seq FROM {}) AS walked CROSS JOIN delay_task AS task ON task.seq = walked.seq {JOINS}
        WHERE {} ORDER BY walked.seq {direction} LIMIT {}",
        table_to_walk(filter.state),
        conditions.join(" AND "),
        i64::try_from(filter.limit).unwrap_or(i64::MAX)
    );
    (|| {
        let mut statement = connection.prepare_cached(&sql)?;
        statement
            .query_map(rusqlite::params_from_iter(&values), read_record)?
            .collect::<rusqlite::Result<Vec<_>>>()
    })()
    .map_err(|error| fault("list tasks", error))
}

pub(super) fn counts(connection: &Connection) -> Result<Vec<Count>> {
    const SQL: &str = "WITH standing(queue, state, tasks) AS (
        SELECT queue, 0, count(*) FROM delay_ready GROUP BY queue UNION ALL
        SELECT queue, 1, count(*) FROM delay_scheduled JOIN delay_task USING (seq) GROUP BY queue UNION ALL
        SELECT queue, 2, count(*) FROM delay_run JOIN delay_task USING (seq) WHERE worker IS NOT NULL
        GROUP BY queue UNION ALL
        SELECT queue, 3, count(*) FROM delay_held JOIN delay_task USING (seq) GROUP BY queue UNION ALL
        SELECT queue, state, count(*) FROM delay_done JOIN delay_task USING (seq) GROUP BY queue, state)
        SELECT name, state, tasks FROM standing JOIN delay_queue ON number = queue ORDER BY name, state";
    (|| {
        connection
            .prepare_cached(SQL)?
            .query_map([], |row| {
                Ok(Count {
                    queue: row.get(0)?,
                    state: read_state(row.get(1)?)?,
                    tasks: row.get::<_, i64>(2)?.unsigned_abs(),
                })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()
    })()
    .map_err(|error| fault("count tasks", error))
}

pub(super) fn workers(connection: &Connection, now: Timestamp) -> Result<Vec<WorkerRecord>> {
    const SQL: &str = "SELECT id, name, enlisted, lease_until, functions FROM delay_worker
        WHERE lease_until >= ?1 ORDER BY id";
    (|| {
        connection
            .prepare_cached(SQL)?
            .query_map([now.as_micros()], |row| {
                let functions: String = row.get(4)?;
                Ok(WorkerRecord {
                    id: WorkerId(row.get(0)?),
                    name: row.get(1)?,
                    enlisted: Timestamp::from_micros(row.get(2)?),
                    lease_until: Timestamp::from_micros(row.get(3)?),
                    functions: functions.lines().map(str::to_owned).collect(),
                })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()
    })()
    .map_err(|error| fault("list workers", error))
}

pub(super) fn read_record(row: &Row<'_>) -> rusqlite::Result<TaskRecord> {
    let hold: Option<i64> = row.get(13)?;
    Ok(TaskRecord {
        state: read_state(row.get(0)?)?,
        id: TaskId::from_bytes(row.get(1)?),
        queue: row.get(2)?,
        name: row.get(3)?,
        tag: row.get(4)?,
        priority: row.get(5)?,
        eta: Timestamp::from_micros(row.get(6)?),
        attempt: row.get(7)?,
        epoch: row.get(8)?,
        crashes: row.get(9)?,
        created: Timestamp::from_micros(row.get(10)?),
        finished: row.get::<_, Option<i64>>(11)?.map(Timestamp::from_micros),
        worker: row.get::<_, Option<i64>>(12)?.map(WorkerId),
        hold: hold.and_then(Hold::from_code),
        error: row.get(14)?,
        options: row.get(15)?,
        payload: row.get(16)?,
        result: row.get(17)?,
    })
}

pub(super) fn read_state(code: i64) -> rusqlite::Result<TaskState> {
    TaskState::from_code(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(0, code))
}
