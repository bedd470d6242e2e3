//! Limits of queues: what they let claims take, over all processes.
//!
//! Tokens and places are reserved first, by a statement of its own that holds the rows of configured queues for a moment
//! and does not wait for the disk; then that many tasks are claimed, from all these queues at once; what was reserved in
//! vain is given back. Attempts that ended give their places back after they are settled. So whatever dies in between leaves
//! a count that is too high, never too low, and upkeep counts anew where nothing has moved for a while. A claim that takes
//! longer than that is not counted; it notices, and counts itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::base::Base;
use super::configs::read_limit;
use super::marks::Ranges;
use super::sql::{Session, Sql};
use super::turn::{Walk, Wish, next_token};
use crate::codec;
use crate::error::Result;
use crate::retry::Retry;
use crate::store::{Claim, Fence, Limit};
use crate::time::Timestamp;

/// Gives back (`$4` numbers, `$5` places, `$6` tokens), and takes up to `$2`, in fair shares, of the queues that may be
/// claimed from, are not among `$7`, and have something ready at the marks (`$8` to `$13`, as in a claim) or beside them.
/// Whether they have is looked at before any row is locked; the rows are locked in their order, so that nobody waits in a
/// circle; if power fails, it is as if nothing had been taken. Lists are joined in full, which never takes each of one for
/// each of the other, though the planner expects ten where there are a thousand.
const RESERVE: Sql = Sql {
    text: "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now),
    off AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
    back AS MATERIALIZED (SELECT * FROM unnest($4, $5, $6) AS b(number, places, tokens)),
    marked AS MATERIALIZED (
        SELECT l.queue, gate, coalesce(i, 1) AS i, coalesce(j, 1) AS j
        FROM @.queue_limit l FULL JOIN unnest($8, $9, $10) AS m(queue, i, j) ON m.queue = l.queue WHERE $2 > 0),
    open AS MATERIALIZED (
        SELECT m.queue FROM marked m WHERE m.queue IS NOT NULL AND m.queue <> ALL ($7)
            AND CASE WHEN $3 IS NULL THEN m.gate = 0 ELSE m.gate < 2 AND m.queue = ANY ($3) END
            AND ((SELECT true FROM @.task t WHERE t.place = 7 AND @is(t.queue, m.queue) LIMIT 1) OR EXISTS (
                SELECT FROM generate_series(m.i, m.j) AS n CROSS JOIN LATERAL (
                    SELECT FROM @.task t WHERE t.place = 0 AND t.worker IS NULL AND @is(t.queue, m.queue)
                        AND (t.priority, t.eta) >= ($11[n], $13[n]) AND t.priority <= $12[n] LIMIT 1) r))),
    locked AS MATERIALIZED (
        SELECT l.*, l.queue IN (SELECT queue FROM open) AND l.gate < CASE WHEN $3 IS NULL THEN 1 ELSE 2 END
            AS admitted FROM @.queue_limit l
        WHERE l.queue IN (SELECT queue FROM open) OR l.number IN (SELECT number FROM back) ORDER BY l.queue FOR UPDATE),
    level AS (
        SELECT locked.*, now, greatest(0, running - coalesce(back.places, 0)) AS runs,
            CASE WHEN per_second IS NULL THEN NULL ELSE least(bucket_size,
                locked.tokens + coalesce(back.tokens, 0) + greatest(0, now - at) * per_second / 1e6) END AS level
        FROM locked FULL JOIN back ON back.number = locked.number CROSS JOIN clock),
    room AS (
        SELECT *, CASE WHEN admitted
            THEN greatest(0, least($2, concurrent - runs, coalesce(floor(level + 1e-9), $2)))::int8 ELSE 0 END AS room
        FROM level),
    share AS (
        SELECT *, least(room, ceil($2::float8 / greatest(1, count(*) FILTER (WHERE room > 0) OVER ()))::int8) AS share
        FROM room),
    granted AS (
        SELECT *, greatest(0, least(share,
            $2 + share - sum(share) OVER (ORDER BY hashint8(number + $14), number)))::int8 AS n FROM share),
    written AS (
        UPDATE @.queue_limit l SET running = g.runs + g.n, moved = greatest(l.moved, coalesce($15, NOW)),
            tokens = coalesce(g.level - g.n, l.tokens), at = CASE WHEN g.level IS NULL THEN l.at ELSE greatest(l.at, g.now) END
        FROM granted g WHERE l.queue = g.queue AND (g.n > 0 OR g.runs <> g.running OR g.number IN (SELECT number FROM back))
            AND EXISTS (SELECT FROM off))
    SELECT gate, rate, bucket_size, concurrent, coalesce(level - n, tokens), CASE WHEN level IS NULL THEN at ELSE
        greatest(at, now) END, runs + n, queue, number, n, retry, now, running >= concurrent, admitted, recounts
    FROM granted WHERE queue IS NOT NULL",
    types: &[
        Type::INT8,
        Type::INT8,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::INT4_ARRAY,
        Type::INT2_ARRAY,
        Type::INT2_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8,
        Type::INT8,
    ],
};

/// Where nothing has moved for a second nothing is under way, or notices (see [`COUNT_IN`]): what runs is what is to be
/// counted.
const RECOUNT: Sql = Sql {
    text: "UPDATE @.queue_limit l SET running = c.running, recounts = recounts + 1 FROM (
            SELECT q.queue, (SELECT count(*) FROM @.task t WHERE t.worker IS NOT NULL
                AND t.queue = q.queue AND t.id = ANY (ARRAY(SELECT unnest(tasks) FROM @.claim))) AS running
            FROM @.queue_limit q WHERE q.running > 0 AND q.moved < coalesce($1, NOW) - 1000000) c
        WHERE l.queue = c.queue AND l.running <> c.running AND l.moved < coalesce($1, NOW) - 1000000
        RETURNING l.queue",
    types: &[Type::INT8],
};

/// As long as in [`RECOUNT`].
const QUIET: Duration = Duration::from_secs(1);

/// Places (`$3`) that were reserved in these queues (`$1`), where it was counted anew since (`$2`).
const COUNT_IN: Sql = Sql {
    text: "WITH locked AS MATERIALIZED (SELECT l.queue, u.places FROM @.queue_limit l
            JOIN unnest($1, $2, $3) AS u(number, recounts, places) ON u.number = l.number AND u.recounts < l.recounts
            ORDER BY l.queue FOR UPDATE OF l)
        UPDATE @.queue_limit l SET running = running + locked.places FROM locked WHERE l.queue = locked.queue",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY],
};

/// `$2`: the queue of each task that does not run any more.
const FREE_PLACES: Sql = Sql {
    text: "WITH locked AS MATERIALIZED (SELECT queue, (SELECT count(*) FROM unnest($2) AS gone WHERE gone = queue) AS gone
            FROM @.queue_limit WHERE queue = ANY ($2) ORDER BY queue FOR UPDATE)
        UPDATE @.queue_limit l SET running = greatest(0, running - locked.gone), moved = coalesce($1, NOW)
        FROM locked WHERE l.queue = locked.queue",
    types: &[Type::INT8, Type::TEXT_ARRAY],
};

/// Whether there are queues whose limits let claims through, as the last turn saw it.
#[derive(Debug, Default)]
pub(super) struct Hint(AtomicBool);

impl Hint {
    /// Whether claims should leave something of what they want to limited queues.
    pub(super) fn any(&self) -> bool {
        // Relaxed, here and below: it is never the truth.
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn see(&self, any: bool) {
        self.0.store(any, Ordering::Relaxed);
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

/// What is asked of the limits.
struct Ask<'a> {
    /// The time of the store, or what another ask of the same claim was told: no token comes meanwhile.
    now: Option<i64>,
    want: usize,
    /// These, or all that anybody may claim from.
    queues: Option<&'a [String]>,
    /// What is given back.
    back: &'a Back,
    /// Queues that are asked no more.
    without: &'a [String],
}

/// A limited queue, and what it has granted.
struct Granted {
    limit: Limit,
    queue: String,
    number: i64,
    count: usize,
    retry: Option<Retry>,
    now: i64,
    was_full: bool,
    /// It may be claimed from, and had something ready.
    admitted: bool,
    recounts: i64,
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
            recounts: row.get(14),
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
        self.hint.see(any);
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
        mut back: Back,
        walk: &Walk<'_>,
        claims: &mut Vec<Claim>,
    ) -> Result<Option<Duration>> {
        let (mut short, mut now) = (Vec::new(), self.now());
        while claims.len() < wish.want {
            let want = wish.want - claims.len();
            let ask = Ask { now, want, queues: wish.queues, back: &back, without: &short };
            let begin = Instant::now();
            let mut granted = self.reserve(session, &ask).await?;
            now = granted.first().map(|granted| granted.now);
            let waits = granted
                .iter()
                .filter(|granted| granted.admitted)
                .filter_map(|granted| granted.limit.wait(Timestamp::from_micros(granted.now)));
            let wait = waits.min();
            granted.retain(|granted| granted.count > 0);
            back.clear();
            if granted.is_empty() {
                return Ok(wait);
            }
            let got = self.claim_granted(session, wish, &granted, walk, claims).await?;
            if begin.elapsed() >= QUIET {
                self.count_in(session, &granted).await?;
            }
            for (granted, got) in granted.iter().zip(got) {
                let unused = (granted.count - got) as i64;
                if unused > 0 {
                    back.insert(granted.number, (unused, unused));
                }
                // Where others may have been faster, what they left is asked for again.
                if unused > 0 && (got == 0 || self.dialect.goes_by_place()) {
                    short.push(granted.queue.clone());
                }
            }
        }
        self.give_back(session, back).await.map(|()| None)
    }

    /// What was granted so long ago that somebody may have counted without it.
    async fn count_in(&self, session: &Session, granted: &[Granted]) -> Result<()> {
        let of = |what: fn(&Granted) -> i64| -> Vec<i64> { granted.iter().map(what).collect() };
        let (numbers, recounts) = (of(|granted| granted.number), of(|granted| granted.recounts));
        let places = of(|granted| granted.count as i64);
        session.rows("count what was claimed", &COUNT_IN, &[&numbers, &recounts, &places]).await.map(drop)
    }

    /// Gives back what was held in vain, or by attempts that have ended.
    async fn give_back(&self, session: &Session, back: Back) -> Result<()> {
        if !back.is_empty() {
            self.reserve(session, &Ask { now: self.now(), want: 0, queues: None, back: &back, without: &[] })
                .await?;
        }
        Ok(())
    }

    async fn reserve(&self, session: &Session, ask: &Ask<'_>) -> Result<Vec<Granted>> {
        let numbers: Vec<i64> = ask.back.keys().copied().collect();
        let (places, tokens): (Vec<i64>, Vec<i64>) = ask.back.values().copied().unzip();
        let want = i64::try_from(ask.want).unwrap_or(i64::MAX);
        let Ranges { queues, from, to, first, last, low } = self.marks().ranges(ask.queues);
        let rows = session
            .rows(
                "reserve claims",
                &RESERVE,
                &[
                    &ask.now,
                    &want,
                    &ask.queues,
                    &numbers,
                    &places,
                    &tokens,
                    &ask.without,
                    &queues,
                    &from,
                    &to,
                    &first,
                    &last,
                    &low,
                    &(next_token() & 0xffff),
                    &self.now(),
                ],
            )
            .await?;
        let granted: Vec<Granted> = rows.iter().map(Granted::read).collect();
        if granted.iter().any(|granted| granted.was_full && !granted.limit.is_full()) {
            self.woke();
        }
        Ok(granted)
    }

    /// Claims what was granted; says how many there were of each.
    async fn claim_granted(
        &self,
        session: &Session,
        wish: &Wish<'_>,
        granted: &[Granted],
        walk: &Walk<'_>,
        claims: &mut Vec<Claim>,
    ) -> Result<Vec<usize>> {
        let queues: Vec<String> = granted.iter().map(|granted| granted.queue.clone()).collect();
        let counts: Vec<i64> = granted.iter().map(|granted| granted.count as i64).collect();
        let wish = Wish {
            want: granted.iter().map(|granted| granted.count).sum(),
            queues: Some(&queues),
            granted: Some(&counts),
            token: next_token(),
            over: &[],
            ..*wish
        };
        let claimed = self.claim(session, &wish).await;
        let mut claimed = claimed.inspect_err(|error| self.lose(wish.worker, wish.token, error))?;
        self.walked(&wish, walk, &claimed);
        let places: HashMap<&str, usize> =
            queues.iter().enumerate().map(|(place, queue)| (&**queue, place)).collect();
        let mut got = vec![0; granted.len()];
        for claim in &mut claimed.claims {
            let place = places[&*claim.queue];
            (claim.fence.limit, claim.retry) = (granted[place].number, granted[place].retry);
            got[place] += 1;
        }
        claims.append(&mut claimed.claims);
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
