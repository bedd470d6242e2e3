//! Reads for people, on a connection of their own.

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use super::fault::fault;
use super::key;
use crate::error::Result;
use crate::outcome::Hold;
use crate::store::{Count, Filter, Order, TaskRecord, WorkerId, WorkerRecord};
use crate::task::{TaskId, TaskState};
use crate::time::Timestamp;

const COLUMNS: &str =
    "id, queue, name, tag, state, priority, eta, attempt, epoch, crashes, created, finished, worker,
    hold, error, options, payload, result";

pub(super) fn get(connection: &Connection, ids: &[TaskId]) -> Result<Vec<Option<TaskRecord>>> {
    let sql = format!("SELECT {COLUMNS} FROM delay_task WHERE seq = ?1 AND id = ?2");
    let get = |id: &TaskId| {
        let Some(row) = key::find(connection, *id)? else { return Ok(None) };
        let mut statement = connection.prepare_cached(&sql)?;
        statement.query_row(params![row, id.as_bytes()], read_record).optional()
    };
    ids.iter().map(get).collect::<rusqlite::Result<_>>().map_err(|error| fault("read tasks", error))
}

pub(super) fn list(connection: &Connection, filter: &Filter) -> Result<Vec<TaskRecord>> {
    let mut conditions = vec!["1".to_owned()];
    if let Some(state) = filter.state {
        // Spelled out, not bound: only so can the index of the state be used.
        conditions.push(format!("state = {}", state as i64));
    }
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut add = |condition: &str, value: Box<dyn ToSql>| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(queue) = &filter.queue {
        add("queue = ?", Box::new(queue.clone()));
    }
    if let Some(name) = &filter.name {
        add("name = ?", Box::new(name.clone()));
    }
    if let Some(prefix) = filter.payload_prefix.as_ref().filter(|prefix| !prefix.is_empty()) {
        add("substr(payload, 1, length(?)) = ?", Box::new(prefix.clone()));
    }
    let (direction, beyond) = match filter.order {
        Order::OldestFirst => ("ASC", "seq > ?"),
        Order::NewestFirst => ("DESC", "seq < ?"),
    };
    if let Some(id) = filter.beyond {
        let row = key::find(connection, id).map_err(|error| fault("list tasks", error))?;
        add(beyond, Box::new(row.unwrap_or_else(|| key::own_key(id))));
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM delay_task WHERE {} ORDER BY seq {direction} LIMIT {}",
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
    const SQL: &str =
        "SELECT queue, state, count(*) FROM delay_task GROUP BY queue, state ORDER BY queue, state";
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

fn read_record(row: &Row<'_>) -> rusqlite::Result<TaskRecord> {
    let hold: Option<i64> = row.get(13)?;
    Ok(TaskRecord {
        id: TaskId::from_bytes(row.get(0)?),
        queue: row.get(1)?,
        name: row.get(2)?,
        tag: row.get(3)?,
        state: read_state(row.get(4)?)?,
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

fn read_state(code: i64) -> rusqlite::Result<TaskState> {
    TaskState::from_code(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(4, code))
}
