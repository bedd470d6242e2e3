//! Tasks of queues that are pulled from. A leased task is a scheduled one: its eta is the end of its lease, so that it is
//! ready for others when that comes, and its epoch tells who leased it last. Every update is guarded by what it found.

use std::collections::HashMap;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::base::Base;
use super::bundle;
use super::configs::configs;
use super::inspect::{FROM_TASK, read_record};
use super::push::{micros, task_id, uuid};
use super::sql::{Session, Sql};
use super::statement::{BURY, KEEP};
use super::upkeep::PROMOTE;
use crate::error::Result;
use crate::queues::QueueConfig;
use crate::store::{
    Forgotten, LeaseEnd, LeaseEnded, LeaseOrder, LeaseTo, Tagged, TaskRecord, check_pull, exhausted_text,
    is_exhausted,
};
use crate::task::{TaskId, TaskState};
use crate::time::Timestamp;

const PROMOTED_AT_ONCE: i64 = 10_000;

/// The first ready tasks by eta, and name or id. Per priority, of which there is nearly always one, `task_ready` has them
/// in the order of their etas; what came back is looked at from its start.
const DUE: Sql = Sql {
    text: "WITH RECURSIVE level(priority) AS (
        (SELECT min(priority) FROM @.task WHERE place = 0 AND @is(queue, $1))
        UNION ALL SELECT (SELECT min(priority) FROM @.task WHERE place = 0 AND @is(queue, $1) AND priority > level.priority)
            FROM level WHERE level.priority IS NOT NULL)
    SELECT * FROM (
        SELECT r.* FROM level CROSS JOIN LATERAL (
            SELECT id, eta, coalesce(name, id::text) COLLATE \"C\" AS by, tag, options, attempt, first_claim, epoch
            FROM @.task t WHERE t.place = 0 AND t.worker IS NULL AND @is(t.queue, $1) AND t.priority = level.priority
                AND (NOT $2 OR t.tag IS NOT DISTINCT FROM $3)
            ORDER BY t.eta, by LIMIT $4 FOR UPDATE SKIP LOCKED) r
        UNION ALL SELECT b.* FROM (
            SELECT id, eta, coalesce(name, id::text) COLLATE \"C\" AS by, tag, options, attempt, first_claim, epoch
            FROM @.task t WHERE t.place = 7 AND t.worker IS NULL AND @is(t.queue, $1)
                AND (NOT $2 OR t.tag IS NOT DISTINCT FROM $3)
            ORDER BY t.eta, by LIMIT $4 FOR UPDATE SKIP LOCKED) b) due
    ORDER BY eta, by LIMIT $4",
    types: &[Type::TEXT, Type::BOOL, Type::TEXT, Type::INT8],
};

const HAND_OUT: Sql = Sql {
    text: "UPDATE @.task t SET place = 1, eta = $2, attempt = attempt + 1, epoch = t.epoch + 1,
            first_claim = coalesce(first_claim, $3)
        FROM unnest($4, $5) AS f(id, epoch)
        WHERE t.id = f.id AND t.epoch = f.epoch AND t.place IN (0, 7) AND t.worker IS NULL AND t.queue = $1 RETURNING t.id",
    types: &[Type::TEXT, Type::INT8, Type::INT8, Type::UUID_ARRAY, Type::INT8_ARRAY],
};

const CLOCK: &str = "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now)";

/// By the numbers of the turn: `$4` ids, `$5` epochs, `$6` the state, `$8` errors, `$10` how long it is kept, `$11` how
/// long its name stays taken; `$12` says whether it waits ready (0, 7), or is leased (1).
const END: &str = ", gone AS (
        DELETE FROM @.task t USING unnest($4, $5, $8) AS f(id, epoch, error)
        WHERE t.id = f.id AND t.epoch = f.epoch AND t.worker IS NULL AND t.place = ANY ($12)
            AND (1 <> ALL ($12) OR (t.queue = $13 AND t.attempt > 0 AND t.eta > (SELECT now FROM clock)))
        RETURNING t.*, $6 AS end_state, $10 AS keep, f.error AS end_error, NULL::bytea AS result)";

const END_TYPES: &[Type] = &[
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::UUID_ARRAY,
    Type::INT8_ARRAY,
    Type::INT2,
    Type::INT8,
    Type::TEXT_ARRAY,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::INT2_ARRAY,
    Type::TEXT,
];

const EXTEND: Sql = Sql {
    text: "UPDATE @.task t SET place = CASE WHEN $5 = 0 THEN 0 ELSE 1 END,
            eta = now + least($5, 9223372036854775807 - now)
        FROM (SELECT coalesce($1, NOW) AS now) clock
        WHERE t.id = $2 AND t.queue = $3 AND t.epoch = $4 AND t.place + 0 = 1 AND t.attempt > 0 AND t.eta > now
        RETURNING t.eta",
    types: &[Type::INT8, Type::UUID, Type::TEXT, Type::INT8, Type::INT8],
};

const NAME: Sql = Sql {
    text: "SELECT id, until IS NULL, until <= coalesce($1, NOW) FROM @.name WHERE queue = $2 AND name = $3",
    types: &[Type::INT8, Type::TEXT, Type::TEXT],
};

/// The task `$4` of the queue `$5`, whose bucket is `$8`, if that is what it goes by.
const FORGET: &str = ", gone AS (
        DELETE FROM @.task WHERE id = $4 AND queue = $5 AND coalesce(name, id::text) = $6 AND worker IS NULL
        RETURNING *, 0::int8 AS keep, NULL::bytea AS result),
    running AS MATERIALIZED (
        SELECT id FROM @.task WHERE id = $4 AND queue = $5 AND coalesce(name, id::text) = $6 AND worker IS NOT NULL),
    asked AS (INSERT INTO @.cancel(id) SELECT id FROM running ON CONFLICT DO NOTHING)";

const FORGET_ANSWER: &str = " SELECT (SELECT array_agg(id) FROM gone), EXISTS (SELECT FROM running), EXISTS (
        SELECT FROM @.history WHERE id = $4 AND queue = $5 AND coalesce(name, id::text) = $6
        AND expires > (SELECT value FROM @.meta WHERE key = 'horizon')) OR EXISTS (
        SELECT FROM @.bundle b CROSS JOIN LATERAL unnest(b.tasks) d WHERE b.bucket = $8 AND $4 = ANY (b.ids)
        AND d.id = $4 AND b.queue = $5 AND coalesce(d.name, d.id::text) = $6
        AND b.expires > (SELECT value FROM @.meta WHERE key = 'horizon'))";

const FORGET_TYPES: &[Type] = &[
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::UUID,
    Type::TEXT,
    Type::TEXT,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::INT8,
];

/// `$5` the queue, `$7` how many.
const PURGE: &str = ", gone AS (
        DELETE FROM @.task WHERE id = ANY (ARRAY(SELECT id FROM @.task WHERE queue = $5 AND worker IS NULL LIMIT $7))
            AND worker IS NULL
        RETURNING *, 0::int8 AS keep, NULL::bytea AS result),
    asked AS (
        INSERT INTO @.cancel(id) SELECT id FROM @.task WHERE queue = $5 AND worker IS NOT NULL ON CONFLICT DO NOTHING)";

/// A ready task that may be leased.
struct Candidate {
    id: Uuid,
    tag: Option<String>,
    options: Option<Vec<u8>>,
    attempts: u32,
    first: Option<i64>,
    epoch: i64,
}

impl Base {
    pub(super) async fn lease(&self, order: &LeaseOrder) -> Result<Vec<TaskRecord>> {
        let session = self.session().await?;
        let config = pull_queue(&session, &order.queue).await?;
        loop {
            let low = self.marks().due();
            let promoted = session
                .rows("bring due tasks forward", &PROMOTE, &[&self.now(), &low, &PROMOTED_AT_ONCE])
                .await?;
            if (promoted.len() as i64) < PROMOTED_AT_ONCE {
                break;
            }
        }
        let mut exhausted = Vec::new();
        let work = self.lease_in(&session, order, &config, &mut exhausted);
        let leased = session.in_transaction("lease tasks", work).await?;
        self.ended(&exhausted);
        Ok(leased)
    }

    async fn lease_in(
        &self,
        session: &Session,
        order: &LeaseOrder,
        config: &QueueConfig,
        ended: &mut Vec<TaskId>,
    ) -> Result<Vec<TaskRecord>> {
        let now = self.server_now(session).await?;
        let until = Timestamp::from_micros(now).after(order.length).as_micros();
        let tag = match &order.tag {
            Tagged::Any => None,
            Tagged::With(tag) => Some(Some(super::text::pack(tag).into_owned())),
            Tagged::LikeTheEarliest => match due(session, &order.queue, None, 1).await?.pop() {
                Some(first) => Some(first.tag),
                None => return Ok(Vec::new()),
            },
        };
        let mut ids: Vec<Uuid> = Vec::new();
        loop {
            let due = due(session, &order.queue, tag.as_ref(), order.most - ids.len()).await?;
            let none = due.is_empty();
            let is_over = |candidate: &Candidate| {
                let first = candidate.first.unwrap_or(now);
                let age = Timestamp::from_micros(now).since(Timestamp::from_micros(first));
                is_exhausted(candidate.options.as_deref(), config.retry, candidate.attempts, age)
            };
            let (over, fresh): (Vec<_>, Vec<_>) = due.into_iter().partition(is_over);
            if !over.is_empty() {
                ended.extend(self.fail_exhausted(session, &over).await?);
            }
            let wanted: Vec<Uuid> = fresh.iter().map(|candidate| candidate.id).collect();
            let epochs: Vec<i64> = fresh.iter().map(|candidate| candidate.epoch).collect();
            let queue = &order.queue;
            let rows =
                session.rows("lease tasks", &HAND_OUT, &[queue, &until, &now, &wanted, &epochs]).await?;
            let got: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
            ids.extend(wanted.iter().filter(|id| got.contains(id)));
            // In place of those that were not handed out, others may come.
            if none || ids.len() == order.most {
                return records(self, session, &ids).await;
            }
        }
    }

    async fn fail_exhausted(&self, session: &Session, over: &[Candidate]) -> Result<Vec<TaskId>> {
        let ids: Vec<Uuid> = over.iter().map(|candidate| candidate.id).collect();
        let epochs: Vec<i64> = over.iter().map(|candidate| candidate.epoch).collect();
        let errors: Vec<String> = over.iter().map(|candidate| exhausted_text(candidate.attempts)).collect();
        let keep = self.retention.failed;
        self.end(session, (TaskState::Failed, keep), (&ids, &epochs, &errors), (&[0, 7], "")).await
    }

    async fn end(
        &self,
        session: &Session,
        (state, keep): (TaskState, Duration),
        (ids, epochs, errors): (&[Uuid], &[i64], &[String]),
        (places, queue): (&[i16], &str),
    ) -> Result<Vec<TaskId>> {
        let text = self.dialect.write(&format!("{CLOCK}{END}{KEEP}{BURY} SELECT id FROM gone"));
        let none: Option<i64> = None;
        let errors: Vec<Option<&str>> =
            errors.iter().map(|error| Some(error.as_str()).filter(|error| !error.is_empty())).collect();
        let (keep, tombstone, state) = (micros(keep), micros(self.retention.tombstone), state as i16);
        let parameters: [super::sql::Parameter<'_>; 13] = [
            &self.now(),
            &none,
            &none,
            &ids,
            &epochs,
            &state,
            &none,
            &errors,
            &none,
            &keep,
            &tombstone,
            &places,
            &queue,
        ];
        let rows = session.run(&text, END_TYPES, &parameters).await;
        let rows = rows.map_err(|error| super::fault::fault("end leased tasks", error))?;
        Ok(rows.iter().map(|row| task_id(row.get(0))).collect())
    }

    pub(super) async fn settle_leases(&self, queue: &str, settle: &[LeaseEnd]) -> Result<Vec<LeaseEnded>> {
        let session = self.session().await?;
        pull_queue(&session, queue).await?;
        let mut answers = Vec::with_capacity(settle.len());
        for LeaseEnd { id, epoch, to } in settle {
            answers.push(match to {
                LeaseTo::Done => {
                    let (what, keep) = ((TaskState::Succeeded, self.retention.succeeded), (&[1][..], queue));
                    let done =
                        self.end(&session, what, (&[uuid(*id)], &[*epoch], &[String::new()]), keep).await?;
                    self.ended(&done);
                    if done.is_empty() { LeaseEnded::Lost } else { LeaseEnded::Done }
                }
                LeaseTo::Last(length) => {
                    let length = micros(*length);
                    let parameters: [super::sql::Parameter<'_>; 5] =
                        [&self.now(), &uuid(*id), &queue, epoch, &length];
                    let rows = session.rows("change a lease", &EXTEND, &parameters).await?;
                    let until = rows.first().map(|row| Timestamp::from_micros(row.get(0)));
                    until.map_or(LeaseEnded::Lost, LeaseEnded::Until)
                }
            });
        }
        Ok(answers)
    }

    pub(super) async fn forget(&self, queue: &str, names: &[String]) -> Result<Vec<Forgotten>> {
        let session = self.session().await?;
        let mut answers = Vec::with_capacity(names.len());
        for name in names {
            answers.push(self.forget_one(&session, queue, name).await?);
        }
        if answers.contains(&Forgotten::Asked) {
            self.woke();
        }
        Ok(answers)
    }

    async fn forget_one(&self, session: &Session, queue: &str, name: &str) -> Result<Forgotten> {
        // No name has a NUL, which the server would not take.
        if name.contains('\0') {
            return Ok(Forgotten::Unknown);
        }
        let rows = session.rows("look for a name", &NAME, &[&self.now(), &queue, &name]).await?;
        let taken = rows
            .first()
            .map(|row| (row.get::<_, Uuid>(0), row.get::<_, bool>(1), row.get::<_, Option<bool>>(2)));
        let id = match (taken, name.parse::<TaskId>()) {
            (Some((id, true, _)), _) => id,
            (Some((_, false, Some(false))), _) => return Ok(Forgotten::Tombstoned),
            (None, Ok(id)) => uuid(id),
            _ => return Ok(Forgotten::Unknown),
        };
        let text = self.dialect.write(&format!("{CLOCK}{FORGET}{BURY}{FORGET_ANSWER}"));
        let none: Option<i64> = None;
        let (tombstone, bucket) = (micros(self.retention.tombstone), bundle::bucket(task_id(id)));
        let parameters: [super::sql::Parameter<'_>; 11] =
            [&self.now(), &none, &none, &id, &queue, &name, &none, &bucket, &none, &none, &tombstone];
        let rows = session.run(&text, FORGET_TYPES, &parameters).await;
        let rows = rows.map_err(|error| super::fault::fault("remove a task", error))?;
        let answer = rows.first().map(|row| (row.get::<_, Option<Vec<Uuid>>>(0), row.get(1), row.get(2)));
        Ok(match answer {
            Some((Some(gone), _, _)) => {
                self.ended(&gone.into_iter().map(task_id).collect::<Vec<_>>());
                Forgotten::Done
            }
            Some((None, true, _)) => Forgotten::Asked,
            Some((None, false, true)) => Forgotten::Tombstoned,
            _ => Forgotten::Unknown,
        })
    }

    pub(super) async fn purge(&self, queue: &str, batch: usize) -> Result<u64> {
        let session = self.session().await?;
        let text = self.dialect.write(&format!("{CLOCK}{PURGE}{BURY} SELECT id FROM gone"));
        let none: Option<i64> = None;
        let (unnamed, no_id): (Option<&str>, Option<Uuid>) = (None, None);
        let (most, tombstone) = (i64::try_from(batch).unwrap_or(i64::MAX), micros(self.retention.tombstone));
        let parameters: [super::sql::Parameter<'_>; 11] =
            [&self.now(), &none, &none, &no_id, &queue, &unnamed, &most, &none, &none, &none, &tombstone];
        let rows = session.run(&text, FORGET_TYPES, &parameters).await;
        let rows = rows.map_err(|error| super::fault::fault("remove the tasks of a queue", error))?;
        let gone: Vec<TaskId> = rows.iter().map(|row| task_id(row.get(0))).collect();
        self.ended(&gone);
        self.woke();
        Ok(gone.len() as u64)
    }
}

/// The configuration of a queue that can be leased from.
async fn pull_queue(session: &Session, queue: &str) -> Result<QueueConfig> {
    let configs = configs(session).await?;
    check_pull(queue, configs.iter().find(|config| config.name == queue)).cloned()
}

async fn due(
    session: &Session,
    queue: &str,
    tag: Option<&Option<String>>,
    most: usize,
) -> Result<Vec<Candidate>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let parameters: [super::sql::Parameter<'_>; 4] = [&queue, &tag.is_some(), &tag.cloned().flatten(), &most];
    let rows = session.rows("look for tasks to lease", &DUE, &parameters).await?;
    let candidate = |row: &Row| Candidate {
        id: row.get(0),
        tag: row.get(3),
        options: row.get(4),
        attempts: row.get::<_, i32>(5).unsigned_abs(),
        first: row.get(6),
        epoch: row.get(7),
    };
    Ok(rows.iter().map(candidate).collect())
}

/// The records of tasks, in the order of their ids' list.
async fn records(base: &Base, session: &Session, ids: &[Uuid]) -> Result<Vec<TaskRecord>> {
    let text = base.dialect.write(&format!("{FROM_TASK} WHERE id = ANY ($1)"));
    let rows = session.run(&text, &[Type::UUID_ARRAY], &[&ids]).await;
    let rows = rows.map_err(|error| super::fault::fault("read leased tasks", error))?;
    let found: HashMap<TaskId, TaskRecord> =
        rows.iter().map(|row| read_record(row).map(|record| (record.id, record))).collect::<Result<_>>()?;
    Ok(ids.iter().filter_map(|id| found.get(&task_id(*id)).cloned()).collect())
}
