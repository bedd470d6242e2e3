//! Reads for people: unfinished tasks and history as one.

use std::collections::HashMap;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::base::Base;
use super::bundle;
use super::push::{task_id, uuid, uuids};
use super::sql::{Session, Sql};
use super::text::unpack;
use crate::error::{Error, Kind, Result};
use crate::outcome::Hold;
use crate::store::{Count, Filter, Order, TaskRecord, WorkerId, WorkerRecord};
use crate::task::{TaskId, TaskState};
use crate::time::Timestamp;

pub(super) const FROM_TASK: &str =
    "SELECT id, queue, name, tag, (CASE WHEN worker IS NOT NULL THEN 2 WHEN place = 7 THEN 0 ELSE place END)::int2 AS state, priority, eta,
    attempt, epoch, crashes, created, NULL::int8 AS finished, worker, hold, error, options, payload,
    NULL::bytea AS result FROM @.task";

const FROM_HISTORY: &str =
    "SELECT id, queue, name, tag, state, priority, eta, attempt, epoch, crashes, created, finished,
    NULL::int8, NULL::int2, error, options, payload, result FROM @.history";

/// Of all of them.
const COLUMNS: &str =
    "id, queue, name, tag, state, priority, eta, attempt, epoch, crashes, created, finished, worker, hold,
    error, options, payload, result";

/// What has not expired.
const STILL_KEPT: &str = "expires > (SELECT value FROM @.meta WHERE key = 'horizon')";

const COUNTS: Sql = Sql {
    text: "SELECT queue, state, sum(count)::int8 FROM (SELECT queue, state, count(*) FROM (
            SELECT queue, (CASE WHEN worker IS NOT NULL THEN 2 WHEN place = 7 THEN 0 ELSE place END)::int2 AS state
            FROM @.task
            UNION ALL SELECT queue, state FROM @.history
                WHERE expires > (SELECT value FROM @.meta WHERE key = 'horizon')) t
        GROUP BY queue, state
        UNION ALL SELECT queue, 4::int2, sum(count)::int8 FROM @.bundle
            WHERE expires > (SELECT value FROM @.meta WHERE key = 'horizon') GROUP BY queue) c
        GROUP BY queue, state ORDER BY queue, state",
    types: &[],
};

const WORKERS: Sql = Sql {
    text: "SELECT id, name, enlisted, lease_until, functions FROM @.worker
        WHERE lease_until >= coalesce($1, NOW) ORDER BY id",
    types: &[Type::INT8],
};

impl Base {
    pub(super) async fn get(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskRecord>>> {
        let session = self.session().await?;
        let text = format!(
            "{FROM_TASK} WHERE id = ANY ($1) UNION ALL {FROM_HISTORY} WHERE id = ANY ($1) AND {STILL_KEPT}
            UNION ALL SELECT {COLUMNS} FROM ({} AND b.bucket = ANY ($2) AND b.ids && $1) b WHERE id = ANY ($1)",
            bundle::FROM
        );
        let (wanted, buckets) = (uuids(ids.iter().copied()), bundle::buckets(ids));
        let types = [Type::UUID_ARRAY, Type::INT8_ARRAY];
        let rows = self.read(&session, &text, &types, &[&wanted, &buckets]).await?;
        let found = rows.iter().map(|row| read_record(row).map(|record| (record.id, record)));
        let found: HashMap<TaskId, TaskRecord> = found.collect::<Result<_>>()?;
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    pub(super) async fn list(&self, filter: &Filter) -> Result<Vec<TaskRecord>> {
        let session = self.session().await?;
        let mut conditions = String::new();
        let (mut types, mut values): (Vec<Type>, Vec<Box<dyn ToSql + Sync + Send>>) = Default::default();
        let mut add = |condition: &str, kind: Type, value: Box<dyn ToSql + Sync + Send>| {
            values.push(value);
            types.push(kind);
            conditions.push_str(&format!(" AND {}", condition.replace('?', &format!("${}", values.len()))));
        };
        if let Some(queue) = &filter.queue {
            add("queue = ?", Type::TEXT, Box::new(queue.clone()));
        }
        if let Some(name) = &filter.name {
            add("name = ?", Type::TEXT, Box::new(name.clone()));
        }
        if let Some(prefix) = filter.payload_prefix.as_ref().filter(|prefix| !prefix.is_empty()) {
            add("substring(payload FROM 1 FOR length(?)) = ?", Type::BYTEA, Box::new(prefix.clone()));
        }
        let (direction, beyond) = match filter.order {
            Order::OldestFirst => ("ASC", "id > ?"),
            Order::NewestFirst => ("DESC", "id < ?"),
        };
        if let Some(id) = filter.beyond {
            add(beyond, Type::UUID, Box::new(uuid(id)));
        }
        let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
        let part = |from: &str, state: String| {
            format!(
                "(SELECT * FROM ({from}) r WHERE true{state}{conditions} ORDER BY id {direction} LIMIT {limit})"
            )
        };
        // Places are spelled out, not bound, and on the tables' own column: only so can their indexes be used.
        let unfinished = |state: &str| part(&format!("{FROM_TASK} WHERE {state}"), String::new());
        let finished = |state: String| part(&format!("{FROM_HISTORY} WHERE {STILL_KEPT}"), state);
        // The order of buckets is that of ids: a walk ends within the bucket in which the limit is reached.
        let bundled = || {
            let beyond = filter.beyond.map_or_else(String::new, |id| {
                let sign = if filter.order == Order::OldestFirst { ">=" } else { "<=" };
                format!(" AND b.bucket {sign} {}", bundle::bucket(id))
            });
            format!(
                "(SELECT {COLUMNS} FROM ({}{beyond}) r WHERE true{conditions} ORDER BY bucket {direction}, id {direction}
                LIMIT {limit})",
                bundle::FROM
            )
        };
        let parts = match filter.state {
            None => vec![unfinished("true"), finished(String::new()), bundled()],
            Some(TaskState::Succeeded) => vec![finished(" AND state = 4".to_owned()), bundled()],
            Some(TaskState::Ready) => vec![unfinished("place IN (0, 7) AND worker IS NULL")],
            Some(TaskState::Running) => {
                vec![unfinished("worker IS NOT NULL AND id IN (SELECT unnest(tasks) FROM @.claim)")]
            }
            Some(state) if state.is_finished() => vec![finished(format!(" AND state = {}", state as i16))],
            Some(state) => vec![unfinished(&format!("place = {}", state as i16))],
        };
        let text =
            format!("SELECT * FROM ({}) r ORDER BY id {direction} LIMIT {limit}", parts.join(" UNION ALL "));
        let values: Vec<_> = values.iter().map(|value| &**value as super::sql::Parameter<'_>).collect();
        let rows = self.read(&session, &text, &types, &values).await?;
        rows.iter().map(read_record).collect()
    }

    pub(super) async fn counts(&self) -> Result<Vec<Count>> {
        let session = self.session().await?;
        let rows = session.rows("count tasks", &COUNTS, &[]).await?;
        let count = |row: &Row| {
            let tasks = row.get::<_, i64>(2).unsigned_abs();
            Ok(Count { queue: row.get(0), state: read_state(row.get(1))?, tasks })
        };
        rows.iter().map(count).collect()
    }

    pub(super) async fn workers(&self) -> Result<Vec<WorkerRecord>> {
        let session = self.session().await?;
        let rows = session.rows("list workers", &WORKERS, &[&self.now()]).await?;
        let worker = |row: &Row| WorkerRecord {
            id: WorkerId(row.get(0)),
            name: unpack(row.get(1)),
            enlisted: Timestamp::from_micros(row.get(2)),
            lease_until: Timestamp::from_micros(row.get(3)),
            functions: row.get::<_, String>(4).lines().map(str::to_owned).collect(),
        };
        Ok(rows.iter().map(worker).collect())
    }

    async fn read(
        &self,
        session: &Session,
        text: &str,
        types: &[Type],
        values: &[super::sql::Parameter<'_>],
    ) -> Result<Vec<Row>> {
        let text = self.dialect.write(text);
        session.run(&text, types, values).await.map_err(|error| super::fault::fault("read tasks", error))
    }
}

pub(super) fn read_record(row: &Row) -> Result<TaskRecord> {
    let hold: Option<i16> = row.get(13);
    let text = |column: usize| row.get::<_, Option<String>>(column).map(unpack);
    Ok(TaskRecord {
        id: task_id(row.get(0)),
        queue: row.get(1),
        name: row.get(2),
        tag: text(3),
        state: read_state(row.get(4))?,
        priority: row.get(5),
        eta: Timestamp::from_micros(row.get(6)),
        attempt: row.get::<_, i32>(7).unsigned_abs(),
        epoch: row.get(8),
        crashes: row.get::<_, i32>(9).unsigned_abs(),
        created: Timestamp::from_micros(row.get(10)),
        finished: row.get::<_, Option<i64>>(11).map(Timestamp::from_micros),
        worker: row.get::<_, Option<i64>>(12).map(WorkerId),
        hold: hold.and_then(|hold| Hold::from_code(hold.into())),
        error: text(14),
        options: row.get(15),
        payload: row.get(16),
        result: row.get(17),
    })
}

fn read_state(code: i16) -> Result<TaskState> {
    TaskState::from_code(code.into()).ok_or_else(|| {
        let text = format!("the store holds a task in the state {code}, which this program does not know");
        Error::new(Kind::NewerSchema, text)
    })
}
