//! Adding tasks: one insert for a batch of like ones, one for any without names, and one statement that takes names and
//! inserts.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::Instant;

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::base::Base;
use super::bundle;
use super::fault::is_unique_violation;
use super::marks::LAG;
use super::portion::{Portion, portions};
use super::sql::{Session, Sql};
use super::text::pack;
use crate::error::Result;
use crate::store::Pushed;
use crate::task::{Due, Task, TaskId};

/// Of one queue and priority, due now, with nothing but a payload. Without `ON CONFLICT`, which writes each row twice
/// over to the log: an id that is there is an error, after which [`ANY`] is tried. Both lists are taken apart where the rows
/// are made; as a table of their own they would be copied once more.
const PLAIN: Sql = Sql {
    text: "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now)
    INSERT INTO @.task(id, place, priority, eta, created, queue, payload)
    SELECT unnest($4), 0, $2, now, now, $3, unnest($5) FROM clock",
    types: &[Type::INT8, Type::INT2, Type::TEXT, Type::UUID_ARRAY, Type::BYTEA_ARRAY],
};

/// The time, and what [`Columns`] has.
const COLUMNS: &[Type] = &[
    Type::INT8,        // $1 now
    Type::UUID_ARRAY,  // $2
    Type::TEXT_ARRAY,  // $3 queues
    Type::TEXT_ARRAY,  // $4 names
    Type::TEXT_ARRAY,  // $5 tags
    Type::INT2_ARRAY,  // $6 priorities
    Type::INT8_ARRAY,  // $7 waits, or
    Type::INT8_ARRAY,  // $8 times
    Type::BYTEA_ARRAY, // $9 options
    Type::BYTEA_ARRAY, // $10 payloads
];

/// Any tasks without names, likewise without `ON CONFLICT`.
const UNNAMED: Sql = Sql {
    text: "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now)
    INSERT INTO @.task(id, place, priority, eta, created, queue, tag, options, payload)
    SELECT id, CASE WHEN eta > now THEN 1 ELSE 0 END, priority, eta, now, queue, tag, options, payload
    FROM (SELECT u.*, CASE WHEN wait IS NULL THEN greatest(at, now)
            ELSE now + least(wait, 9223372036854775807 - now) END AS eta
        FROM (SELECT unnest($2) AS id, unnest($3) AS queue, unnest($5) AS tag, unnest($6) AS priority, unnest($7) AS wait,
            unnest($8) AS at, unnest($9) AS options, unnest($10) AS payload, now FROM clock) u) timed",
    types: COLUMNS,
};

/// Any tasks. A name is taken unless a pending task has it or its tombstone still stands; in the order of the names' bytes,
/// in which they are buried as well, so that two statements cannot wait for each other. Answers the named tasks whose names
/// were not to be had, and whose they are, if the statement's snapshot shows it; and last the time.
pub(super) const ANY: Sql = Sql {
    text: "WITH clock AS MATERIALIZED (SELECT coalesce($1::int8, NOW) AS now),
    given AS MATERIALIZED (
        SELECT u.*, CASE WHEN u.wait IS NULL THEN greatest(u.at, now)
            ELSE now + least(u.wait, 9223372036854775807 - now) END AS eta, now
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::int2[], $7::int8[], $8::int8[], $9::bytea[],
            $10::bytea[])
            WITH ORDINALITY AS u(id, queue, name, tag, priority, wait, at, options, payload, nr), clock),
    wanted AS (
        SELECT DISTINCT ON (q, n) queue COLLATE \"C\" AS q, name COLLATE \"C\" AS n, id
        FROM given WHERE name IS NOT NULL ORDER BY q, n, nr),
    taken AS (
        INSERT INTO @.name AS n (queue, name, id) SELECT q, n, id FROM wanted ORDER BY q, n
        ON CONFLICT ON CONSTRAINT name_name DO UPDATE SET id = excluded.id, until = NULL
        WHERE n.until <= (SELECT now FROM clock) RETURNING n.queue, n.name, n.id),
    added AS (
        INSERT INTO @.task(id, place, priority, eta, created, queue, name, tag, options, payload)
        SELECT id, CASE WHEN eta > now THEN 1 ELSE 0 END, priority, eta, now, queue, name, tag, options, payload
        FROM given WHERE name IS NULL OR id IN (SELECT id FROM taken)
        ON CONFLICT ON CONSTRAINT task_id DO NOTHING)
    SELECT g.nr, coalesce(t.id, CASE WHEN n.until <= now THEN NULL ELSE n.id END) AS holder, now
    FROM given g LEFT JOIN taken t ON t.queue = g.queue AND t.name = g.name
        LEFT JOIN @.name n ON n.queue = g.queue AND n.name = g.name
    WHERE g.name IS NOT NULL AND g.id IS DISTINCT FROM t.id
    UNION ALL SELECT 0, NULL, now FROM clock",
    types: COLUMNS,
};

pub(super) const HOLDER: Sql =
    Sql { text: "SELECT id FROM @.name WHERE queue = $1 AND name = $2", types: &[Type::TEXT, Type::TEXT] };

/// Ids that are in the store, finished or not.
const KNOWN: Sql = Sql {
    text: "SELECT id FROM @.task WHERE id = ANY($1) UNION ALL SELECT id FROM @.history
        WHERE id = ANY($1) AND expires > (SELECT value FROM @.meta WHERE key = 'horizon')
        UNION ALL SELECT d.id FROM @.bundle b CROSS JOIN LATERAL unnest(b.ids) d(id)
        WHERE b.bucket = ANY ($2) AND d.id = ANY ($1) AND b.expires > (SELECT value FROM @.meta WHERE key = 'horizon')",
    types: &[Type::UUID_ARRAY, Type::INT8_ARRAY],
};

/// A task that was asked for twice can have finished between the look and the insert: the second one goes again. Seen
/// by a statement of its own, after the insert: from here on the first one's end is visible.
const UNDO_TWICE: Sql = Sql {
    text: "WITH ended AS MATERIALIZED (
            SELECT id FROM @.history WHERE id = ANY ($1) AND expires > (SELECT value FROM @.meta WHERE key = 'horizon')
            UNION ALL SELECT d.id FROM @.bundle b CROSS JOIN LATERAL unnest(b.ids) d(id)
            WHERE b.bucket = ANY ($2) AND d.id = ANY ($1)
                AND b.expires > (SELECT value FROM @.meta WHERE key = 'horizon'))
        DELETE FROM @.task WHERE id = ANY (ARRAY(SELECT id FROM ended)) AND worker IS NULL",
    types: &[Type::UUID_ARRAY, Type::INT8_ARRAY],
};

pub(super) const ADD_QUEUES: Sql = Sql {
    text: "INSERT INTO @.queue(name) SELECT u.name FROM unnest($1::text[]) AS u(name)
        WHERE NOT EXISTS (SELECT FROM @.queue q WHERE q.name = u.name)",
    types: &[Type::TEXT_ARRAY],
};

pub(super) fn uuid(id: TaskId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

pub(super) fn uuids(ids: impl IntoIterator<Item = TaskId>) -> Vec<Uuid> {
    ids.into_iter().map(uuid).collect()
}

pub(super) fn task_id(uuid: Uuid) -> TaskId {
    TaskId::from_bytes(*uuid.as_bytes())
}

impl Base {
    /// Adds tasks in one transaction. `fresh` says that none of them was ever tried before.
    pub(super) async fn push(&self, tasks: &[Task], fresh: bool) -> Result<Vec<Pushed>> {
        let session = self.session().await?;
        self.know_queues(&session, tasks).await?;
        let tried = Instant::now();
        let pushed = self.push_in(&session, tasks, fresh).await?;
        self.note_if_late(&session, tried).await;
        self.note_woke();
        self.notifier.tell_on(&session).await;
        Ok(pushed)
    }

    async fn push_in(&self, session: &Session, tasks: &[Task], fresh: bool) -> Result<Vec<Pushed>> {
        if fresh {
            match self.push_fresh(session, tasks).await {
                Err(error) if is_unique_violation(&error) => {}
                done => return done,
            }
        }
        session.in_transaction("add tasks", self.push_carefully(session, tasks)).await
    }

    /// Fails if the id of one without a name is there.
    async fn push_fresh(&self, session: &Session, tasks: &[Task]) -> Result<Vec<Pushed>> {
        let portions = portions(tasks);
        let (is_one, now) = (portions.len() <= 1, self.time_of(session, &portions).await?);
        let all = async {
            let mut pushed = vec![Pushed::Added; tasks.len()];
            for Portion { places, tasks } in portions {
                if tasks.iter().all(|task| task.name.is_none()) {
                    insert(session, now, &tasks).await?;
                } else {
                    let answers = add(session, now, &tasks).await?;
                    places.into_iter().zip(answers).for_each(|(place, answer)| pushed[place] = answer);
                }
            }
            Ok(pushed)
        };
        if is_one { all.await } else { session.in_transaction("add tasks", all).await }
    }

    /// The time of adding: all portions have one, and run in the order of the batch.
    async fn time_of(&self, session: &Session, portions: &[Portion<'_>]) -> Result<Option<i64>> {
        if portions.len() > 1 { self.server_now(session).await.map(Some) } else { Ok(self.now()) }
    }

    /// What took long to commit stands at an older time than marks may have reached meanwhile.
    async fn note_if_late(&self, session: &Session, tried: Instant) {
        if micros(tried.elapsed()) <= LAG / 2 {
            return;
        }
        let now = self.server_now(session).await;
        let at = now.map_or(i64::MIN, |now| now.saturating_sub(micros(tried.elapsed())));
        self.marks().lower(at);
        self.notifier.late(at);
    }

    /// In a transaction: leaves out what is known, and what turns out to have finished meanwhile.
    async fn push_carefully(&self, session: &Session, tasks: &[Task]) -> Result<Vec<Pushed>> {
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
        let (buckets, ids) = (bundle::buckets(&ids), uuids(ids));
        let known = session.rows("look for tasks", &KNOWN, &[&ids, &buckets]).await?;
        let mut known: HashSet<TaskId> = known.iter().map(|row| task_id(row.get(0))).collect();
        let (places, new): (Vec<usize>, Vec<&Task>) =
            tasks.iter().enumerate().filter(|(_, task)| known.insert(task.id)).unzip();
        let mut pushed = vec![Pushed::Added; tasks.len()];
        let portions = portions(new);
        let now = self.time_of(session, &portions).await?;
        for portion in portions {
            let answers = add(session, now, &portion.tasks).await?;
            portion
                .places
                .into_iter()
                .zip(answers)
                .for_each(|(place, answer)| pushed[places[place]] = answer);
        }
        session.rows("look for tasks that have finished", &UNDO_TWICE, &[&ids, &buckets]).await?;
        Ok(pushed)
    }

    /// Makes the queues of these tasks known, once.
    async fn know_queues(&self, session: &Session, tasks: &[Task]) -> Result<()> {
        let new: HashSet<&str> = {
            let known = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            let like = tasks.chunk_by(|one, next| one.queue == next.queue);
            like.map(|tasks| &*tasks[0].queue).filter(|queue| !known.contains(*queue)).collect()
        };
        if new.is_empty() {
            return Ok(());
        }
        let new: Vec<&str> = new.into_iter().collect();
        session.rows("make queues known", &ADD_QUEUES, &[&new]).await?;
        let mut known = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(new.into_iter().map(str::to_owned));
        Ok(())
    }
}

/// Adds tasks that have no names.
async fn insert(session: &Session, now: Option<i64>, tasks: &[&Task]) -> Result<()> {
    if let Some(plain) = Plain::of(tasks) {
        return plain.push(session, now).await;
    }
    session.rows("add tasks", &UNNAMED, &Columns::of(tasks).parameters(&now)).await.map(drop)
}

/// Adds any tasks with one statement.
pub(super) async fn add(session: &Session, now: Option<i64>, tasks: &[&Task]) -> Result<Vec<Pushed>> {
    let columns = Columns::of(tasks);
    let refused = session.rows("add tasks", &ANY, &columns.parameters(&now)).await?;
    let mut pushed = vec![Pushed::Added; tasks.len()];
    for row in refused {
        // The last one is the time.
        let Ok(place) = usize::try_from(row.get::<_, i64>(0) - 1) else { continue };
        let mut holder: Option<Uuid> = row.get(1);
        if holder.is_none() {
            let (queue, name) = (&*tasks[place].queue, tasks[place].name.as_deref());
            let rows = session.rows("look whose a name is", &HOLDER, &[&queue, &name]).await?;
            holder = rows.first().map(|row| row.get(0));
        }
        // A holder that is gone already was there when the statement ran, and its tombstone was still standing.
        let holder = holder.map_or(TaskId::from_bytes([0; 16]), task_id);
        pushed[place] = Pushed::of_name(holder, tasks[place].id);
    }
    Ok(pushed)
}

/// Tasks that differ in nothing but id and payload.
struct Plain<'a> {
    queue: &'a str,
    priority: i16,
    ids: Vec<Uuid>,
    payloads: Vec<&'a [u8]>,
}

impl<'a> Plain<'a> {
    fn of(tasks: &[&'a Task]) -> Option<Self> {
        let first = tasks.first()?;
        let is_plain = |task: &&Task| {
            let Task { queue, name, due, priority, tag, options, .. } = task;
            *queue == first.queue
                && *priority == first.priority
                && *due == Due::Now
                && name.is_none()
                && tag.is_none()
                && options.is_none()
        };
        tasks.iter().all(is_plain).then(|| Self {
            queue: &first.queue,
            priority: first.priority,
            ids: uuids(tasks.iter().map(|task| task.id)),
            payloads: tasks.iter().map(|task| task.payload.as_slice()).collect(),
        })
    }

    async fn push(&self, session: &Session, now: Option<i64>) -> Result<()> {
        let parameters: [super::sql::Parameter<'_>; 5] =
            [&now, &self.priority, &self.queue, &self.ids, &self.payloads];
        session.rows("add tasks", &PLAIN, &parameters).await.map(drop)
    }
}

/// Tasks as columns.
pub(super) struct Columns<'a> {
    pub(super) ids: Vec<Uuid>,
    pub(super) queues: Vec<&'a str>,
    pub(super) names: Vec<Option<&'a str>>,
    pub(super) tags: Vec<Option<std::borrow::Cow<'a, str>>>,
    pub(super) priorities: Vec<i16>,
    pub(super) waits: Vec<Option<i64>>,
    pub(super) times: Vec<Option<i64>>,
    pub(super) options: Vec<Option<&'a [u8]>>,
    pub(super) payloads: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(tasks: &[&'a Task]) -> Self {
        let due = |due: Due| match due {
            Due::Now => (Some(0), None),
            Due::In(wait) => (Some(micros(wait)), None),
            Due::At(time) => (None, Some(time.as_micros())),
        };
        let (waits, times) = tasks.iter().map(|task| due(task.due)).unzip();
        Self {
            ids: uuids(tasks.iter().map(|task| task.id)),
            queues: tasks.iter().map(|task| &*task.queue).collect(),
            names: tasks.iter().map(|task| task.name.as_deref()).collect(),
            tags: tasks.iter().map(|task| task.tag.as_deref().map(pack)).collect(),
            priorities: tasks.iter().map(|task| task.priority).collect(),
            waits,
            times,
            options: tasks.iter().map(|task| task.options.as_deref()).collect(),
            payloads: tasks.iter().map(|task| task.payload.as_slice()).collect(),
        }
    }

    pub(super) fn parameters<'b>(&'b self, now: &'b Option<i64>) -> [super::sql::Parameter<'b>; 10] {
        [
            now,
            &self.ids,
            &self.queues,
            &self.names,
            &self.tags,
            &self.priorities,
            &self.waits,
            &self.times,
            &self.options,
            &self.payloads,
        ]
    }
}

/// A length of time as the database counts it.
pub(super) fn micros(length: std::time::Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}
