//! Limits of queues: what they let claims take, over all processes.
//!
//! Tokens and places are reserved first, by a statement of its own that holds the rows of configured queues for a moment
//! and does not wait for the disk; then that many tasks are claimed; what was reserved in vain is given back. Attempts
//! that ended give their places back after they are settled. So whatever dies in between leaves a count that is too high,
//! never too low, and upkeep counts anew where nothing has moved for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::base::Base;
use super::configs::read_limit;
use super::sql::{Session, Sql};
use super::turn::{Walk, Wish, next_token};
use crate::codec;
use crate::error::Result;
use crate::retry::Retry;
use crate::store::{Claim, Fence, Limit};
use crate::time::Timestamp;

/// Gives back (`$4` numbers, `$5` places, `$6` tokens), and takes up to `$2` of each queue that may be claimed from and is
/// not among `$7`, which are known to be empty. The rows are locked in their order, so that nobody waits in a circle; if
/// power fails, it is as if nothing had been taken.
const RESERVE: Sql = Sql {
    text: "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now),
    off AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
    back AS MATERIALIZED (SELECT * FROM unnest($4, $5, $6) AS b(number, places, tokens)),
    locked AS MATERIALIZED (
        SELECT l.*, l.queue <> ALL ($7) AND $2 > 0
            AND CASE WHEN $3 IS NULL THEN l.gate = 0 ELSE l.gate < 2 AND l.queue = ANY ($3) END AS admitted
        FROM @.queue_limit l
        WHERE (l.gate < 2 AND $2 > 0) OR l.number IN (SELECT number FROM back) ORDER BY l.queue FOR UPDATE),
    level AS (
        SELECT locked.*, now, greatest(0, running - coalesce(back.places, 0)) AS runs,
            CASE WHEN per_second IS NULL THEN NULL ELSE least(bucket_size,
                locked.tokens + coalesce(back.tokens, 0) + greatest(0, now - at) * per_second / 1e6) END AS level
        FROM locked CROSS JOIN clock LEFT JOIN back ON back.number = locked.number),
    granted AS (
        SELECT *, CASE WHEN admitted
            THEN greatest(0, least($2, concurrent - runs, coalesce(floor(level + 1e-9), $2)))::int8 ELSE 0 END AS n
        FROM level),
    written AS (
        UPDATE @.queue_limit l SET running = g.runs + g.n, moved = g.now,
            tokens = coalesce(g.level - g.n, l.tokens), at = CASE WHEN g.level IS NULL THEN l.at ELSE greatest(l.at, g.now) END
        FROM granted g WHERE l.queue = g.queue AND (g.n > 0 OR g.runs <> g.running
            OR g.number IN (SELECT number FROM back)) AND EXISTS (SELECT FROM off))
    SELECT gate, rate, bucket_size, concurrent, coalesce(level - n, tokens), CASE WHEN level IS NULL THEN at ELSE
        greatest(at, now) END, runs + n, queue, number, n, retry, now, running >= concurrent, admitted FROM granted",
    types: &[
        Type::INT8,
        Type::INT8,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
    ],
};

/// Walks what runs at the front of `task_ready`, too: asked only where limits hold a queue back.
const ANY_READY: Sql = Sql {
    text: "SELECT EXISTS (SELECT FROM @.task WHERE place = 0 AND worker IS NULL AND @is(queue, $1))
        OR EXISTS (SELECT FROM @.task WHERE place = 7 AND @is(queue, $1))",
    types: &[Type::TEXT],
};

/// Where nothing has moved for a second nothing is under way: what runs is what is to be counted.
const RECOUNT: Sql = Sql {
    text: "UPDATE @.queue_limit l SET running = c.running FROM (
            SELECT q.queue, (SELECT count(*) FROM @.task t WHERE t.worker IS NOT NULL
                AND t.queue = q.queue AND t.id = ANY (ARRAY(SELECT unnest(tasks) FROM @.claim))) AS running
            FROM @.queue_limit q WHERE q.running > 0 AND q.moved < coalesce($1, NOW) - 1000000) c
        WHERE l.queue = c.queue AND l.running <> c.running AND l.moved < coalesce($1, NOW) - 1000000
        RETURNING l.queue",
    types: &[Type::INT8],
};

/// `$2`: the queue of each task that does not run any more.
const FREE_PLACES: Sql = Sql {
    text: "WITH locked AS MATERIALIZED (SELECT queue, (SELECT count(*) FROM unnest($2) AS gone WHERE gone = queue) AS gone
            FROM @.queue_limit WHERE queue = ANY ($2) ORDER BY queue FOR UPDATE)
        UPDATE @.queue_limit l SET running = greatest(0, running - locked.gone), moved = coalesce($1, NOW)
        FROM locked WHERE l.queue = locked.queue",
    types: &[Type::INT8, Type::TEXT_ARRAY],
};

/// What this process knows of limited queues; never the truth.
#[derive(Debug, Default)]
pub(super) struct Hints(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// There are queues whose limits let claims through.
    any: bool,
    /// Queues in which nothing was ready, and the signal's generation then.
    empty: HashMap<String, u64>,
}

impl Hints {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether claims should leave something of what they want to limited queues.
    pub(super) fn any(&self) -> bool {
        self.known().any
    }

    pub(super) fn see(&self, any: bool) {
        self.known().any = any;
    }

    /// Those that were empty, and nothing has been signalled since.
    fn empty(&self, generation: u64) -> Vec<String> {
        let mut known = self.known();
        known.empty.retain(|_, then| *then == generation);
        known.empty.keys().cloned().collect()
    }

    /// Something has become ready without a signal.
    pub(super) fn stir(&self) {
        self.known().empty.clear();
    }

    fn note_empty(&self, queue: &str, generation: u64) {
        self.known().empty.insert(queue.to_owned(), generation);
    }
}

/// Places, and tokens, to be given back, by the number of the limit.
pub(super) type Back = BTreeMap<i64, (i64, i64)>;

/// What attempts of limited queues that have ended give back.
pub(super) fn ended(fences: impl Iterator<Item = Fence>) -> Back {
    let mut back = Back::new();
    for fence in fences.filter(|fence| fence.limit != 0) {
        back.entry(fence.limit).or_default().0 += 1;
    }
    back
}

/// A limited queue in a claim.
struct Granted {
    limit: Limit,
    queue: String,
    number: i64,
    count: usize,
    retry: Option<Retry>,
    now: i64,
    was_full: bool,
    admitted: bool,
}

impl Granted {
    fn read(row: &Row) -> Self {
        let retry: Option<Vec<u8>> = row.get(10);
        Self {
            limit: read_limit(row, 0),
            queue: row.get(7),
            number: row.get(8),
            count: usize::try_from(row.get::<_, i64>(9)).unwrap_or_default(),
            retry: retry.and_then(|retry| codec::from_slice(&retry).ok()),
            now: row.get(11),
            was_full: row.get(12),
            admitted: row.get(13),
        }
    }
}

impl Base {
    /// Asks the limits of queues, if there are any, for what is still wanted, and tells them what has ended. Whatever goes
    /// wrong, the claims so far count.
    pub(super) async fn ask_limits(
        &self,
        session: &Session,
        wish: &Wish<'_>,
        any: bool,
        back: Back,
        walk: &Walk<'_>,
        claims: &mut Vec<Claim>,
    ) -> Option<Duration> {
        let asked = if any && claims.len() < wish.want {
            self.claim_limited(session, wish, back, walk, claims).await
        } else {
            self.give_back(session, back).await.map(|()| None)
        };
        self.hints.see(any);
        asked.unwrap_or_else(|error| {
            tracing::warn!(error = error.chain(), "the limits of queues could not be asked");
            None
        })
    }

    /// Claims from limited queues what is still wanted, and gives `back`. Says when there may be more.
    async fn claim_limited(
        &self,
        session: &Session,
        wish: &Wish<'_>,
        back: Back,
        walk: &Walk<'_>,
        claims: &mut Vec<Claim>,
    ) -> Result<Option<Duration>> {
        let generation = *self.signals.subscribe().borrow();
        let empty = self.hints.empty(generation);
        let granted =
            self.reserve(session, wish.want.saturating_sub(claims.len()), wish.queues, &back, &empty).await?;
        let mut surplus = Back::new();
        let mut waits = Vec::new();
        for granted in granted.iter().filter(|granted| granted.admitted) {
            let got = self.claim_granted(session, wish, granted, walk, claims).await?;
            let unused = (granted.count - got) as i64;
            let now = Timestamp::from_micros(granted.now);
            if unused > 0 {
                surplus.insert(granted.number, (unused, unused));
                self.hints.note_empty(&granted.queue, generation);
            } else if let Some(wait) = granted.limit.wait(now) {
                let ready = session.rows("look for ready tasks", &ANY_READY, &[&granted.queue]).await?;
                waits.extend(ready.first().is_some_and(|row| row.get(0)).then_some(wait));
            }
        }
        if !surplus.is_empty() {
            self.reserve(session, 0, None, &surplus, &[]).await?;
        }
        Ok(waits.into_iter().min())
    }

    /// Gives back what attempts held that have ended.
    async fn give_back(&self, session: &Session, back: Back) -> Result<()> {
        if !back.is_empty() {
            self.reserve(session, 0, None, &back, &[]).await?;
        }
        Ok(())
    }

    async fn reserve(
        &self,
        session: &Session,
        want: usize,
        queues: Option<&[String]>,
        back: &Back,
        empty: &[String],
    ) -> Result<Vec<Granted>> {
        let numbers: Vec<i64> = back.keys().copied().collect();
        let (places, tokens): (Vec<i64>, Vec<i64>) = back.values().copied().unzip();
        let want = i64::try_from(want).unwrap_or(i64::MAX);
        let rows = session
            .rows(
                "reserve claims",
                &RESERVE,
                &[&self.now(), &want, &queues, &numbers, &places, &tokens, &empty],
            )
            .await?;
        let granted: Vec<Granted> = rows.iter().map(Granted::read).collect();
        if granted.iter().any(|granted| granted.was_full && !granted.limit.is_full()) {
            self.woke();
        }
        Ok(granted)
    }

    /// Claims what was granted; says how many there were.
    async fn claim_granted(
        &self,
        session: &Session,
        wish: &Wish<'_>,
        granted: &Granted,
        walk: &Walk<'_>,
        claims: &mut Vec<Claim>,
    ) -> Result<usize> {
        let queue = [granted.queue.clone()];
        let mut got = 0;
        while got < granted.count {
            let wish = Wish {
                want: granted.count - got,
                queues: Some(&queue),
                granted: true,
                token: next_token(),
                over: &[],
                ..*wish
            };
            let claimed = self.claim(session, &wish).await;
            let claimed = claimed.inspect_err(|error| self.lose(wish.worker, wish.token, error))?;
            let open = self.walked(&wish, walk, &claimed);
            let mut more = claimed.claims;
            for claim in &mut more {
                (claim.fence.limit, claim.retry) = (granted.number, granted.retry);
            }
            got += more.len();
            claims.append(&mut more);
            if open.is_empty() {
                break;
            }
        }
        Ok(got)
    }

    /// Tasks that were taken back from a worker do not run any more: the queue of each.
    pub(super) async fn free_places(&self, session: &Session, queues: Vec<String>) -> Result<()> {
        if !queues.is_empty() {
            session.rows("free places", &FREE_PLACES, &[&self.now(), &queues]).await?;
        }
        Ok(())
    }

    /// Counts what runs in limited queues anew where nothing is under way.
    pub(super) async fn recount_limits(&self, session: &Session) -> Result<()> {
        let healed = session.rows("count what runs", &RECOUNT, &[&self.now()]).await?;
        if !healed.is_empty() {
            self.woke();
        }
        Ok(())
    }
}
