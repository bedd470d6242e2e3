//! The text of a turn: one statement whose parts are left out when they have nothing to do. All parts see the same
//! snapshot and take the same parameters.

use std::sync::OnceLock;

use tokio_postgres::types::Type;

use super::settle::Finish;
use super::sql::Sql;

/// Which parts there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    ends: Ends,
    named: bool,
    from: From,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    None,
    /// Successes without values.
    Plain,
    Varied,
}

/// Where claims are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Nowhere,
    /// From the queues that are named, but those that have limits.
    Only,
    /// From these and all others, but those that have limits.
    All,
    /// From those that are named, whose limits have let so many go.
    Granted,
}

impl Shape {
    pub(super) fn of(finish: &Finish<'_>, from: From) -> Self {
        let ends = match (finish.ids.is_empty(), finish.varied) {
            (true, _) => Ends::None,
            (_, false) => Ends::Plain,
            (_, true) => Ends::Varied,
        };
        Self { ends, named: finish.named && ends != Ends::None, from }
    }
}

const TYPES: &[Type] = &[
    Type::INT8,        // $1 now
    Type::INT8,        // $2 worker
    Type::INT8,        // $3 era
    Type::UUID_ARRAY,  // $4 what ends
    Type::INT8_ARRAY,  // $5 epochs
    Type::INT2_ARRAY,  // $6 states
    Type::INT8_ARRAY,  // $7 how long each is kept
    Type::TEXT_ARRAY,  // $8 errors
    Type::BYTEA_ARRAY, // $9 results
    Type::INT8,        // $10 how long plain successes are kept
    Type::INT8,        // $11 how long names stay taken
    Type::INT4,        // $12 how many are wanted
    Type::INT8,        // $13 which queue is first
    Type::TEXT_ARRAY,  // $14 queues
    Type::INT4_ARRAY,  // $15 their first ranges
    Type::INT4_ARRAY,  // $16 their last ranges
    Type::INT2_ARRAY,  // $17 ranges: first priority
    Type::INT2_ARRAY,  // $18 last priority
    Type::INT8_ARRAY,  // $19 lowest eta of the first priority
    Type::INT8,        // $20 the turn
    Type::INT8,        // $21 nothing scheduled is due before
];

/// Holds the worker's row, so that whoever takes it for dead, or undoes its turns, waits; beats do not.
const BEGIN: &str = "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now),
    me AS MATERIALIZED (SELECT id FROM @.worker WHERE id = $2 AND era = $3 FOR KEY SHARE)";

/// Here and elsewhere `state + 0` keeps the planner from partial indexes of that state: they look cheap when it sees them
/// empty, and a plan is made once.
const END_PLAIN: &str = ", gone AS (
        DELETE FROM @.task t USING unnest($4, $5) AS f(id, epoch)
        WHERE t.id = f.id AND t.epoch = f.epoch AND t.state + 0 = 2 AND t.worker + 0 = $2 AND EXISTS (SELECT FROM me)
        RETURNING t.*, 4::int2 AS end_state, $10 AS keep, NULL::text AS end_error, NULL::bytea AS result)";

const END_VARIED: &str = ", gone AS (
        DELETE FROM @.task t USING unnest($4, $5, $6, $7, $8, $9) AS f(id, epoch, state, keep, error, result)
        WHERE t.id = f.id AND t.epoch = f.epoch AND t.state + 0 = 2 AND t.worker + 0 = $2 AND EXISTS (SELECT FROM me)
        RETURNING t.*, f.state AS end_state, f.keep, f.error AS end_error, f.result)";

/// Into history, from any statement that has `gone` and `clock`.
pub(super) const KEEP: &str = ", kept AS (
        INSERT INTO @.history(id, expires, finished, eta, created, epoch, attempt, crashes, state, priority, queue, name,
            tag, options, payload, error, result)
        SELECT id, now + least(keep, 9223372036854775807 - now), now, eta, created, epoch, attempt, crashes, end_state,
            priority, queue, name, tag, options, payload, coalesce(end_error, error), result
        FROM gone, clock WHERE keep > 0)";

/// For the tombstone time of the queue, or else the store's. Walks the names by their key, in its order: two statements cannot wait for each other.
pub(super) const BURY: &str = ", buried AS (
        UPDATE @.name n SET until = now + least(9223372036854775807 - now, greatest(kept,
            coalesce((SELECT tombstone FROM @.queue_limit l WHERE l.queue = n.queue), $11)))
        FROM (SELECT n.queue, n.name, CASE WHEN gone.result IS NULL THEN 0 ELSE gone.keep END AS kept FROM gone JOIN @.name n ON n.queue = gone.queue AND n.name = gone.name
            WHERE n.id = gone.id ORDER BY n.queue, n.name FOR UPDATE OF n) g, clock
        WHERE n.queue = g.queue AND n.name = g.name)";

const QUEUES: &str = ", queues AS MATERIALIZED (
        SELECT queue, i, j, (row_number() OVER (ORDER BY queue) + $13) % count(*) OVER () AS nr
        FROM (SELECT * FROM unnest($14, $15, $16) AS u(queue, i, j)";

const OTHER_QUEUES: &str = " UNION ALL SELECT DISTINCT name, 1, 1 FROM @.queue WHERE name <> ALL ($14)";

/// What has a configuration is claimed from by statements of its own (see limits.rs).
const UNLIMITED: &str = ") q WHERE NOT EXISTS (SELECT FROM @.queue_limit l WHERE l.queue = q.queue)";

const GRANTED: &str = ") q";

/// Most urgent first from the marks on, and what came back from its start; `share` from each queue at most. Walks
/// `task_ready` and `task_back`. What is to be cancelled is passed by. The order of nested loops is the order of queues
/// and ranges, and they end where the limit does.
const CLAIM: &str = "),
    share AS MATERIALIZED (SELECT ceil($12::float8 / greatest(1, count(*)))::int8 AS most FROM queues),
    picked AS MATERIALIZED (
        SELECT c.id FROM (SELECT * FROM queues ORDER BY nr) q CROSS JOIN LATERAL (
            SELECT b.id FROM (
                (SELECT r.* FROM generate_series(q.i, q.j) AS n CROSS JOIN LATERAL (
                    SELECT t.id, t.priority, t.eta FROM @.task t
                    WHERE t.state = 0 AND t.queue = q.queue AND (t.priority, t.eta) >= ($17[n], $19[n])
                        AND t.priority <= $18[n] AND t.id <> ALL (ARRAY(SELECT id FROM @.cancel))
                    ORDER BY t.priority, t.eta, t.id LIMIT (SELECT most FROM share) FOR UPDATE SKIP LOCKED) r
                LIMIT (SELECT most FROM share))
                UNION ALL
                SELECT * FROM (SELECT t.id, t.priority, t.eta FROM @.task t
                WHERE t.state = 7 AND t.queue = q.queue AND t.id <> ALL (ARRAY(SELECT id FROM @.cancel))
                ORDER BY t.priority, t.eta, t.id LIMIT (SELECT most FROM share) FOR UPDATE SKIP LOCKED) r) b
            ORDER BY b.priority, b.eta, b.id LIMIT (SELECT most FROM share)) c
        WHERE EXISTS (SELECT FROM me) LIMIT $12),
    claimed AS (
        UPDATE @.task t SET state = 2, worker = $2, turn = $20, epoch = epoch + 1, attempt = attempt + 1,
            started = false, hold = NULL, first_claim = coalesce(first_claim, (SELECT now FROM clock))
        WHERE id = ANY (ARRAY(SELECT id FROM picked)) AND state IN (0, 7)
        RETURNING id, epoch, attempt, crashes, first_claim, queue, name, priority, eta, options, payload)
    SELECT id, epoch, attempt, crashes, first_claim, queue, NULL::int2, name, priority, eta, options, payload,
        NULL::int8, NULL::int8, NULL::int8, NULL::uuid[], NULL::uuid[], NULL::uuid[], NULL::bool FROM claimed
    UNION ALL";

/// The last row: all that is not a claim.
const HEADER: &str =
    " SELECT NULL::uuid, (SELECT now FROM clock), 0, 0, NULL::int8, NULL::text, NULL::int2, NULL::text,
        0::int2, (SELECT min(eta) FROM @.task WHERE state = 1 AND eta >= $21), NULL::bytea, NULL::bytea,
        (SELECT era FROM @.worker WHERE id = $2), ";

/// What is to be cancelled: what this worker runs, and what does not run; and whether there are limits to be asked. Asked per request, of which there are nearly
/// never any: as a join, the planner may begin with the tasks.
const FOOTER: &str = ",
        (SELECT array_agg(c.id) FROM @.cancel c
            WHERE (SELECT t.worker FROM @.task t WHERE t.id = c.id AND t.state + 0 = 2) = $2),
        (SELECT array_agg(c.id) FROM @.cancel c
            WHERE (SELECT t.state FROM @.task t WHERE t.id = c.id) IS DISTINCT FROM 2),
        EXISTS (SELECT FROM @.queue_limit WHERE gate < 2)";

/// The statement of a shape.
pub(super) fn sql(shape: Shape) -> Sql {
    static TEXTS: [OnceLock<String>; 24] = [const { OnceLock::new() }; 24];
    let index = (shape.ends as usize * 2 + usize::from(shape.named)) * 4 + shape.from as usize;
    Sql { text: TEXTS[index].get_or_init(|| write(shape)), types: TYPES }
}

fn write(shape: Shape) -> String {
    let mut text = BEGIN.to_owned();
    match shape.ends {
        Ends::None => {}
        Ends::Plain => text.extend([END_PLAIN, KEEP]),
        Ends::Varied => text.extend([END_VARIED, KEEP]),
    }
    if shape.named {
        text.push_str(BURY);
    }
    match shape.from {
        From::Nowhere => {}
        From::Only => text.extend([QUEUES, UNLIMITED, CLAIM]),
        From::All => text.extend([QUEUES, OTHER_QUEUES, UNLIMITED, CLAIM]),
        From::Granted => text.extend([QUEUES, GRANTED, CLAIM]),
    }
    text.push_str(HEADER);
    text.push_str(match shape.from {
        From::Nowhere => "0::int8, 0::int8, ",
        _ => "(SELECT most FROM share), (SELECT count(*) FROM picked), ",
    });
    // A list only if some were refused: nearly always there is nothing to send.
    text.push_str(match shape.ends {
        Ends::None => "NULL::uuid[]",
        _ => "(SELECT CASE WHEN count(*) < cardinality($4) THEN array_agg(id) || '{}'::uuid[] END FROM gone)",
    });
    text.push_str(FOOTER);
    text
}
