//! What time does to tasks: the due become ready, the dead workers' are taken back, the old go. One look tells what there
//! is to do; most of the time that is nothing, and the look is the only statement.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::base::Base;
use super::checkpoint;
use super::marks::Ranges;
use super::partitions;
use super::sql::{Parameter, Session, Sql};
use super::workers::FORGET;
use crate::clock::Clock;
use crate::error::Result;
use crate::outcome::Hold;
use crate::store::{Rescue, UpkeepRules, Upkept, WorkerId, crash_text};

/// Walks `task_scheduled` from `$2` on. One that is promoted late may be more urgent than what was claimed since (see
/// `marks`).
pub(super) const PROMOTE: Sql = Sql {
    text: "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now)
        UPDATE @.task SET place = CASE WHEN eta < (SELECT now FROM clock) - 50000 THEN 7 ELSE 0 END
        WHERE id = ANY (ARRAY(SELECT id FROM @.task WHERE place = 1 AND eta >= $2 AND eta <= (SELECT now FROM clock)
            ORDER BY eta LIMIT $3 FOR UPDATE SKIP LOCKED)) AND place + 0 = 1 RETURNING id",
    types: &[Type::INT8, Type::INT8, Type::INT8],
};

/// What there is to do. Ready tasks below a mark of this process were committed late. The sixth is the net
/// under all notifications: there is something that a turn could claim, or has to cancel. Then: what ended programs have
/// left, and limited queues whose places may be counted wrongly.
const LOOK: Sql = Sql {
    text: "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now)
    SELECT now,
        EXISTS (SELECT FROM @.worker WHERE lease_until < now),
        EXISTS (SELECT FROM @.task WHERE place = 1 AND eta <= now),
        EXISTS (SELECT FROM @.name WHERE until <= now),
        (SELECT min(expires) FROM @.history WHERE expires > (SELECT value FROM @.meta WHERE key = 'horizon')
            AND expires <= now) IS NOT NULL OR EXISTS (SELECT FROM @.bundle
            WHERE expires > (SELECT value FROM @.meta WHERE key = 'horizon') AND expires <= now),
        (SELECT min(below.eta) FROM unnest($2, $3, $4) AS p(queue, priority, low) CROSS JOIN LATERAL (
            SELECT eta FROM @.task t WHERE t.place = 0 AND t.worker IS NULL AND @is(t.queue, p.queue) AND t.priority = p.priority
            AND t.eta < p.low ORDER BY t.eta LIMIT 1) below),
        EXISTS (SELECT FROM @.task WHERE place = 7) OR EXISTS (SELECT FROM @.cancel) OR EXISTS (
            SELECT FROM (SELECT * FROM unnest($5, $6, $7) AS u(queue, i, j)
                UNION ALL SELECT name, 1, 1 FROM @.queue WHERE name <> ALL ($5)) q
            CROSS JOIN generate_series(q.i, q.j) AS n
            CROSS JOIN LATERAL (SELECT FROM @.task t WHERE t.place = 0 AND t.worker IS NULL AND @is(t.queue, q.queue)
                AND (t.priority, t.eta) >= ($8[n], $10[n]) AND t.priority <= $9[n]
                ORDER BY t.priority, t.eta, t.id LIMIT 1) r),
        EXISTS (SELECT FROM @.checkpoint c WHERE NOT EXISTS (SELECT FROM @.task t WHERE t.id = c.id))
            OR EXISTS (SELECT FROM @.suspend s WHERE NOT EXISTS (SELECT FROM @.task t WHERE t.id = s.id)),
        EXISTS (SELECT FROM @.queue_limit WHERE running > 0 AND moved < now - 1000000)
    FROM clock",
    types: &[
        Type::INT8,
        Type::TEXT_ARRAY,
        Type::INT2_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::INT4_ARRAY,
        Type::INT2_ARRAY,
        Type::INT2_ARRAY,
        Type::INT8_ARRAY,
    ],
};

/// Locks them, so that nobody else takes them for dead at the same time, and that none beats meanwhile.
const DEAD: Sql = Sql {
    text: "SELECT id FROM @.worker WHERE lease_until < coalesce($1, NOW) ORDER BY id FOR UPDATE SKIP LOCKED",
    types: &[Type::INT8],
};

/// Nobody knows how far a dead process got. A task counts a crash if it had certainly begun (`started`), or if it is
/// the first time that a process dies under it; from then on its starts are noted before they happen.
const TAKE_BACK: Sql = Sql {
    text:
        "WITH claims AS (DELETE FROM @.claim WHERE worker = $1 RETURNING tasks)
        UPDATE @.task SET place = 7, worker = NULL, attempt = greatest(0, attempt - 1),
        crashes = crashes + (started OR crashes = 0)::int, started = false
        WHERE id = ANY (ARRAY(SELECT unnest(tasks) FROM claims)) AND worker = $1 RETURNING id, crashes, queue",
    types: &[Type::INT8],
};

const QUARANTINE: Sql = Sql {
    text: "UPDATE @.task t SET place = 3, hold = $1, error = q.error FROM unnest($2, $3) AS q(id, error)
        WHERE t.id = q.id",
    types: &[Type::INT2, Type::UUID_ARRAY, Type::TEXT_ARRAY],
};

/// Moves the horizon over at least one row and about `$2`: all that expire at one moment go together.
const PRUNE: Sql = Sql {
    text: "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now),
    horizon AS MATERIALIZED (SELECT value FROM @.meta WHERE key = 'horizon'),
    next AS (SELECT max(expires) AS value FROM (
        (SELECT expires FROM @.history
            WHERE expires > (SELECT value FROM horizon) AND expires <= (SELECT now FROM clock) ORDER BY expires LIMIT $2)
        UNION ALL (SELECT expires FROM @.bundle
            WHERE expires > (SELECT value FROM horizon) AND expires <= (SELECT now FROM clock) ORDER BY expires LIMIT $2)
        ORDER BY expires LIMIT $2) batch)
    UPDATE @.meta m SET value = next.value FROM next WHERE m.key = 'horizon' AND m.value < next.value
    RETURNING (SELECT count(*) FROM @.history WHERE expires > (SELECT value FROM horizon) AND expires <= next.value)
        + (SELECT coalesce(sum(count), 0)::int8 FROM @.bundle
            WHERE expires > (SELECT value FROM horizon) AND expires <= next.value)",
    types: &[Type::INT8, Type::INT8],
};

const PRUNE_NAMES: Sql = Sql {
    text: "DELETE FROM @.name WHERE (queue, name) IN (
        SELECT queue, name FROM @.name WHERE until <= coalesce($1, NOW) ORDER BY queue, name LIMIT $2 FOR UPDATE SKIP LOCKED)",
    types: &[Type::INT8, Type::INT8],
};

/// When to look again: a look that took long, for somebody holds an old snapshot, is not repeated soon.
#[derive(Debug, Default)]
pub(super) struct Rhythm(Mutex<Option<Instant>>);

/// A look costs a twentieth of the time at most.
const SHARE: u32 = 20;

const OFTEN: Duration = Duration::from_millis(950);

impl Rhythm {
    fn is_time(&self) -> bool {
        let next = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        next.is_none_or(|next| Instant::now() >= next)
    }

    fn looked(&self, took: Duration) {
        let next = Instant::now() + (took * SHARE).max(OFTEN);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
    }

    /// Whether upkeep looks these days: then nobody else has to.
    pub(super) fn is_kept(&self) -> bool {
        let next = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        next.is_some_and(|next| Instant::now() < next + 2 * OFTEN)
    }

    fn again_soon(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Base {
    pub(super) async fn upkeep(&self, rules: &UpkeepRules) -> Result<Upkept> {
        self.check_open()?;
        let goes_by_itself = matches!(self.clock, Clock::System);
        if goes_by_itself && !self.rhythm.is_time() {
            return Ok(Upkept::default());
        }
        let began = Instant::now();
        let session = self.session().await?;
        let ((places, priorities, lows), ranges) = {
            let marks = self.marks();
            (marks.places(), marks.ranges(None))
        };
        let Ranges { queues, from, to, first, last, low } = ranges;
        let parameters: [Parameter<'_>; 10] =
            [&self.now(), &places, &priorities, &lows, &queues, &from, &to, &first, &last, &low];
        let rows = session.rows("look for upkeep", &LOOK, &parameters).await?;
        self.rhythm.looked(began.elapsed());
        let Some(look) = rows.first() else { return Ok(Upkept::default()) };
        let is = |column: usize| look.get::<_, bool>(column);
        let now: i64 = look.get(0);
        let mut upkept = Upkept::default();
        if let Some(late) = look.get::<_, Option<i64>>(5) {
            self.marks().lower(late);
        }
        if is(6) || look.get::<_, Option<i64>>(5).is_some() {
            self.signals.wake();
        }
        let batch = i64::try_from(rules.batch).unwrap_or(i64::MAX);
        if is(2) {
            let promoted =
                session.rows("bring due tasks forward", &PROMOTE, &[&self.now(), &i64::MIN, &batch]).await?;
            upkept.promoted = promoted.len() as u64;
        }
        if is(1) && rules.rescue == Rescue::Now {
            (upkept.rescued, upkept.quarantined) = self.rescue(&session, rules.max_crashes).await?;
        }
        if is(4) {
            let pruned =
                session.rows("remove what was kept long enough", &PRUNE, &[&self.now(), &batch]).await?;
            upkept.pruned = pruned.first().map_or(0, |row| row.get::<_, i64>(0).unsigned_abs());
        }
        if is(3) {
            session.rows("remove names whose time is over", &PRUNE_NAMES, &[&self.now(), &batch]).await?;
        }
        if is(8) {
            self.recount_limits(&session).await?;
        }
        if is(7) {
            checkpoint::sweep(&session).await?;
        }
        partitions::tend(self, &session, now).await;
        if upkept.promoted + upkept.rescued > 0 {
            self.woke();
        }
        upkept.more = upkept.promoted.max(upkept.pruned) >= rules.batch as u64;
        if upkept.more {
            self.rhythm.again_soon();
        }
        Ok(upkept)
    }

    /// Takes the tasks of dead workers back. Each worker's row is locked and removed first: that waits for its turns, so
    /// that the next statement sees all that they claimed; and who removes the row is the only one who rescues.
    async fn rescue(&self, session: &Session, max_crashes: u32) -> Result<(u64, u64)> {
        let work = async {
            let mut sums = (0, 0);
            for dead in session.rows("look for dead workers", &DEAD, &[&self.now()]).await? {
                let worker = WorkerId(dead.get(0));
                session.rows("forget a dead worker", &FORGET, &[&worker.0]).await?;
                let taken = session.rows("take a dead worker's tasks back", &TAKE_BACK, &[&worker.0]).await?;
                let (mut poisonous, mut errors): (Vec<Uuid>, Vec<String>) = Default::default();
                for row in &taken {
                    let crashes = row.get::<_, i32>(1).unsigned_abs();
                    if crashes >= max_crashes {
                        poisonous.push(row.get(0));
                        errors.push(crash_text(crashes));
                    }
                }
                if !poisonous.is_empty() {
                    let hold = Hold::Crashes as i16;
                    session.rows("hold tasks", &QUARANTINE, &[&hold, &poisonous, &errors]).await?;
                }
                self.free_places(session, taken.iter().map(|row| row.get(2)).collect()).await?;
                let (tasks, held) = (taken.len(), poisonous.len());
                tracing::warn!(worker = worker.0, tasks, held, "took a dead worker's tasks back");
                sums = (sums.0 + tasks as u64, sums.1 + held as u64);
            }
            Ok(sums)
        };
        session.in_transaction("take dead workers' tasks back", work).await
    }
}
