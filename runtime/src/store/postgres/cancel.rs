//! What an operator does to tasks: retry, release, suspend, cancel, delete. Each action is one statement over all ids; it answers
//! what state each task was in, and what it did.

use std::collections::HashMap;

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::base::Base;
use super::bundle;
use super::push::{micros, task_id, uuids};
use super::sql::Session;
use super::statement::{BURY, KEEP};
use crate::error::Result;
use crate::store::{Acted, Action};
use crate::task::{TaskId, TaskState};

/// What all of these are told, by the numbers of the turn: `$1` now, `$4` ids, `$10` how long a cancelled task is kept,
/// `$11` how long its name stays taken, `$12` the ids' buckets.
const TYPES: &[Type] = &[
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::UUID_ARRAY,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::TEXT,
    Type::INT8,
    Type::INT8,
    Type::INT8_ARRAY,
];

const CLOCK: &str = "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now)";

/// Ends what waits.
const STOP: &str = ", gone AS (
        DELETE FROM @.task WHERE id = ANY ($4) AND worker IS NULL
        RETURNING *, 6::int2 AS end_state, $10 AS keep, $9 AS end_error, NULL::bytea AS result)";

const ASK: &str = ", asked AS (
        INSERT INTO @.cancel(id) SELECT id FROM @.task WHERE id = ANY ($4) AND worker IS NOT NULL ON CONFLICT DO NOTHING)";

/// A request that is honoured, or whose task is gone.
const FORGET_HONOURED: &str = ", forgotten AS (
        DELETE FROM @.cancel c WHERE id = ANY ($4)
        AND (id IN (SELECT id FROM gone) OR NOT EXISTS (SELECT FROM @.task t WHERE t.id = c.id)))
    SELECT id FROM gone";

/// Counted anew, due now. From history it comes back whole. A name whose tombstone stands is the task's again; one that
/// has gone to another task stays there. A request to cancel it is overtaken.
const RETRY: &str = ", waiting AS (
        UPDATE @.task SET place = 0, eta = now, attempt = 0, crashes = 0, first_claim = NULL, hold = NULL
        FROM clock WHERE id = ANY ($4) AND place IN (1, 3) RETURNING id, queue, name),
    ended AS (
        DELETE FROM @.history WHERE id = ANY ($4) AND state IN (5, 6)
        AND expires > (SELECT value FROM @.meta WHERE key = 'horizon') RETURNING *),
    again AS (
        INSERT INTO @.task(id, eta, created, epoch, place, priority, queue, name, tag, options, payload, error)
        SELECT id, now, created, epoch, 0, priority, queue, name, tag, options, payload, error FROM ended, clock),
    gone AS (SELECT id, queue, name FROM waiting UNION ALL SELECT id, queue, name FROM ended),
    named AS (
        INSERT INTO @.name AS n (queue, name, id)
        SELECT queue, name, id FROM gone WHERE name IS NOT NULL ORDER BY queue, name
        ON CONFLICT ON CONSTRAINT name_name DO UPDATE SET until = NULL WHERE n.id = excluded.id),
    forgotten AS (DELETE FROM @.cancel WHERE id IN (SELECT id FROM gone))";

/// What a program has left is not for a task that begins anew, or is gone.
const FORGET_CHECKPOINT: &str = ", kept AS (DELETE FROM @.checkpoint WHERE id IN (SELECT id FROM gone)),
    unasked AS (DELETE FROM @.suspend WHERE id IN (SELECT id FROM gone))";

/// A ready task is set aside at once (4 is `Hold::Suspended`); the worker of a running one is asked.
const SUSPEND: &str = ", gone AS (
        UPDATE @.task SET place = 3, hold = 4
        WHERE id = ANY ($4) AND worker IS NULL AND place + 0 IN (0, 7) RETURNING id),
    wanted AS (
        INSERT INTO @.suspend(id) SELECT id FROM @.task WHERE id = ANY ($4) AND worker IS NOT NULL ON CONFLICT DO NOTHING)";

/// It is not to be suspended any more.
const UNASK: &str = ", unasked AS (DELETE FROM @.suspend WHERE id IN (SELECT id FROM gone))";

const RELEASE: &str = ", gone AS (
        UPDATE @.task SET place = 7, hold = NULL WHERE id = ANY ($4) AND place + 0 = 3 RETURNING id)";

const DELETE: &str = ", waiting AS (
        DELETE FROM @.task WHERE id = ANY ($4) AND worker IS NULL RETURNING id, queue, name),
    ended AS (
        DELETE FROM @.history WHERE id = ANY ($4)
        AND expires > (SELECT value FROM @.meta WHERE key = 'horizon') RETURNING id, queue, name),
    bundled AS (SELECT d.id, b.queue, d.name FROM @.bundle b CROSS JOIN LATERAL unnest(b.tasks) d
        WHERE b.bucket = ANY ($12) AND b.ids && $4 AND d.id = ANY ($4)
        AND b.expires > (SELECT value FROM @.meta WHERE key = 'horizon')),
    lessened AS (UPDATE @.bundle b SET (count, ids, tasks) = (
            SELECT count(*), coalesce(array_agg(d.id), '{}'), coalesce(array_agg(d::@.ended), '{}')
            FROM unnest(b.tasks) d WHERE d.id <> ALL ($4))
        WHERE b.bucket = ANY ($12) AND b.ids && $4
        AND b.expires > (SELECT value FROM @.meta WHERE key = 'horizon')),
    gone AS (SELECT * FROM waiting UNION ALL SELECT * FROM ended UNION ALL SELECT * FROM bundled),
    freed AS (DELETE FROM @.name n USING gone g WHERE n.queue = g.queue AND n.name = g.name AND n.id = g.id)";

/// So that what is deleted from bundles stands in them when the statement sees them.
const LOCK_BUNDLES: &str = "SELECT FROM @.bundle b WHERE b.bucket = ANY ($12) AND b.ids && $4
    ORDER BY b.bucket, b.ids FOR UPDATE";

/// The state of each task as the statement found it, and whether it was changed.
const ANSWER: &str = "
    SELECT t.id, (CASE WHEN t.worker IS NOT NULL THEN 2 WHEN t.place = 7 THEN 0 ELSE t.place END)::int2, t.id IN (SELECT id FROM gone)
    FROM @.task t WHERE t.id = ANY ($4)
    UNION ALL SELECT h.id, h.state, h.id IN (SELECT id FROM gone) FROM @.history h WHERE h.id = ANY ($4)
        AND h.expires > (SELECT value FROM @.meta WHERE key = 'horizon')
    UNION ALL SELECT d.id, 4::int2, d.id IN (SELECT id FROM gone) FROM @.bundle b CROSS JOIN LATERAL unnest(b.ids) d(id)
        WHERE b.bucket = ANY ($12) AND b.ids && $4 AND d.id = ANY ($4)
        AND b.expires > (SELECT value FROM @.meta WHERE key = 'horizon')";

/// What a task says that was cancelled before it ran.
const REASON: &str = "cancelled before it ran";

impl Base {
    pub(super) async fn act(&self, action: Action, ids: &[TaskId]) -> Result<Vec<Acted>> {
        let session = self.session().await?;
        let mut answers = vec![None; ids.len()];
        // An id that is given twice is acted upon twice, and so is one whose task changed under our hands.
        while answers.contains(&None) {
            let mut round = HashMap::new();
            for (place, id) in ids.iter().enumerate().filter(|(place, _)| answers[*place].is_none()) {
                round.entry(*id).or_insert(place);
            }
            let found = self.act_once(&session, action, round.keys().copied()).await?;
            for (id, place) in round {
                answers[place] = match found.get(&id) {
                    None => Some(Acted::Unknown),
                    Some((_, true)) => Some(Acted::Done),
                    Some((TaskState::Running, false))
                        if matches!(action, Action::Cancel | Action::Suspend) =>
                    {
                        Some(Acted::Asked)
                    }
                    Some((state, false)) if may(action, *state) => None,
                    Some((state, false)) => Some(Acted::Wrong(*state)),
                };
            }
        }
        self.woke();
        Ok(answers.into_iter().flatten().collect())
    }

    async fn act_once(
        &self,
        session: &Session,
        action: Action,
        ids: impl Iterator<Item = TaskId>,
    ) -> Result<HashMap<TaskId, (TaskState, bool)>> {
        let parts: &[&str] = match action {
            Action::Retry => &[RETRY, FORGET_CHECKPOINT],
            Action::Release => &[RELEASE, UNASK],
            Action::Suspend => &[SUSPEND],
            Action::Cancel => &[STOP, KEEP, BURY, ASK],
            Action::Delete => &[DELETE, FORGET_CHECKPOINT],
        };
        let text = self.dialect.write(&format!("{CLOCK}{}{ANSWER}", parts.concat()));
        let ids: Vec<TaskId> = ids.collect();
        let rows = if action == Action::Delete {
            let lock = self.dialect.write(LOCK_BUNDLES);
            let work = async {
                self.run_on(session, &lock, &ids).await?;
                self.run_on(session, &text, &ids).await
            };
            session.in_transaction("delete tasks", work).await?
        } else {
            self.run_on(session, &text, &ids).await?
        };
        let found = rows.iter().filter_map(|row| {
            let state = TaskState::from_code(row.get::<_, i16>(1).into())?;
            Some((task_id(row.get(0)), (state, row.get(2))))
        });
        let found: HashMap<_, (TaskState, bool)> = found.collect();
        if matches!(action, Action::Cancel | Action::Delete) {
            let done: Vec<TaskId> = found.iter().filter(|(_, (_, done))| *done).map(|(id, _)| *id).collect();
            self.ended(&done);
        }
        Ok(found)
    }

    /// Cancels what was asked to be cancelled while it ran, and came back to wait.
    pub(super) async fn honour_cancels(&self, session: &Session, ids: &[Uuid]) -> Result<()> {
        const HONOUR: &[&str] = &[CLOCK, STOP, KEEP, BURY, FORGET_HONOURED];
        let text = self.dialect.write(&HONOUR.concat());
        let ids: Vec<TaskId> = ids.iter().copied().map(task_id).collect();
        let stopped = self.run_on(session, &text, &ids).await?;
        let stopped: Vec<TaskId> = stopped.iter().map(|row| task_id(row.get(0))).collect();
        self.ended(&stopped);
        Ok(())
    }

    async fn run_on(
        &self,
        session: &Session,
        text: &str,
        ids: &[TaskId],
    ) -> Result<Vec<tokio_postgres::Row>> {
        let (ids, buckets) = (uuids(ids.iter().copied()), bundle::buckets(ids));
        let keep = micros(self.retention.cancelled);
        let tombstone = micros(self.retention.tombstone);
        let none: Option<i64> = None;
        let parameters: [super::sql::Parameter<'_>; 12] = [
            &self.now(),
            &none,
            &none,
            &ids,
            &none,
            &none,
            &none,
            &none,
            &REASON,
            &keep,
            &tombstone,
            &buckets,
        ];
        session
            .run(text, TYPES, &parameters)
            .await
            .map_err(|error| super::fault::fault("change tasks", error))
    }
}

/// Whether an action can be done in a state; if it was not, the task changed meanwhile.
fn may(action: Action, state: TaskState) -> bool {
    use TaskState as S;
    match action {
        Action::Retry => matches!(state, S::Held | S::Failed | S::Cancelled | S::Scheduled),
        Action::Release => state == S::Held,
        Action::Suspend => state == S::Ready,
        Action::Cancel => matches!(state, S::Ready | S::Scheduled | S::Held),
        Action::Delete => state != S::Running,
    }
}
