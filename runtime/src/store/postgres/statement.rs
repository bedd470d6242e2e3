//! The texts of a turn: one statement that claims, and one that finishes what has ended and says what else there is to
//! know. Their parts are left out when they have nothing to do; all parts of one see the same snapshot.

use std::sync::OnceLock;

use tokio_postgres::types::Type;

use super::bundle;
use super::settle::Finish;
use super::sql::Sql;

/// Which parts a settling statement has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    ends: Ends,
    /// What ends is found by its place.
    by_place: bool,
    named: bool,
    /// Plain successes are kept by the bundle.
    bundled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    None,
    /// Successes without values, of which a bundle takes each.
    Plain,
    Varied,
}

/// Where claims are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// From the queues that are named, but those that are configured.
    Only,
    /// From these and all others, but those that are configured.
    All,
    /// From those that are named, whose limits have let so many go.
    Granted,
}

impl Shape {
    pub(super) fn of(finish: &Finish<'_>) -> Self {
        let ends = match (finish.ids.is_empty(), finish.varied) {
            (true, _) => Ends::None,
            (_, false) => Ends::Plain,
            (_, true) => Ends::Varied,
        };
        let any = ends != Ends::None;
        Self {
            ends,
            by_place: any && finish.tids.is_some(),
            named: any && finish.named,
            bundled: any && finish.bundled,
        }
    }
}

const SETTLE_TYPES: &[Type] = &[
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
    Type::INT8,        // $12 nothing scheduled is due before
    Type::INT8_ARRAY,  // $13 turns all of whose claims have come to something
    Type::TID_ARRAY,   // $14 where what ends stands, if all of it is looked for there
];

const CLAIM_TYPES: &[Type] = &[
    Type::INT8,       // $1 now
    Type::INT8,       // $2 worker
    Type::INT8,       // $3 era
    Type::INT4,       // $4 how many are wanted
    Type::INT8,       // $5 which queue is first
    Type::TEXT_ARRAY, // $6 queues
    Type::INT4_ARRAY, // $7 their first ranges
    Type::INT4_ARRAY, // $8 their last ranges
    Type::INT2_ARRAY, // $9 ranges: first priority
    Type::INT2_ARRAY, // $10 last priority
    Type::INT8_ARRAY, // $11 lowest eta of the first priority
    Type::INT8,       // $12 the turn
    Type::INT8_ARRAY, // $13 how many limits have granted of each queue, if they have
];

/// Holds the worker's row, so that whoever takes it for dead, or undoes its turns, waits; beats do not.
const BEGIN: &str = "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now),
    me AS MATERIALIZED (SELECT id FROM @.worker WHERE id = $2 AND era = $3 FOR KEY SHARE)";

const OVER: &str =
    ", over AS (DELETE FROM @.claim WHERE worker = $2 AND turn = ANY ($13) AND EXISTS (SELECT FROM me))";

/// What history takes of a task as it is.
const AS_IT_IS: &str =
    "t.id, t.eta, t.created, t.epoch, t.attempt, t.crashes, t.priority, t.queue, t.name, t.tag, t.options,
            t.payload, t.error";

/// What a bundle takes of it, made at once.
const BUNDLED: &str =
    "t.id, t.queue, t.name, ROW(t.id, t.eta, t.created, t.epoch, t.attempt, t.crashes, t.priority, t.name,
            t.tag, t.options, t.payload, t.error)::@.ended AS task";

/// Whoever goes by the place asks for id and epoch as well: another row may stand there by now. Many plain ends are one
/// scan of places, and what is asked for is in a hash table beside it; a join would begin anew for each row.
fn end(shape: Shape) -> String {
    let returning = if shape.ends == Ends::Plain && shape.bundled { BUNDLED } else { AS_IT_IS };
    let (from, more) = match (shape.ends, shape.by_place) {
        (Ends::Plain, true) => {
            let asked = "(SELECT $4[n], $5[n] FROM generate_subscripts($4, 1) AS n)";
            (format!("t WHERE t.ctid = ANY ($14) AND ((t.id, t.epoch) IN {asked}) IS TRUE"), "")
        }
        (Ends::Plain, false) => {
            ("t USING unnest($4, $5) AS f(id, epoch) WHERE t.id = f.id AND t.epoch = f.epoch".to_owned(), "")
        }
        (_, by_place) => {
            let (tids, tid, place) =
                if by_place { (", $14", ", tid", "t.ctid = f.tid AND ") } else { ("", "", "") };
            let lists = format!("unnest($4, $5, $6, $7, $8, $9{tids})");
            let names = format!("f(id, epoch, state, keep, error, result{tid})");
            let more = ", f.state AS end_state, f.keep, f.error AS end_error, f.result";
            (format!("t USING {lists} AS {names} WHERE {place}t.id = f.id AND t.epoch = f.epoch"), more)
        }
    };
    format!(
        ", gone AS (
        DELETE FROM @.task {from} AND t.worker = $2 AND EXISTS (SELECT FROM me)
        RETURNING {returning}{more})"
    )
}

/// What is kept of what is gone.
fn keep(shape: Shape) -> String {
    match (shape.ends, shape.bundled) {
        (Ends::None, _) => String::new(),
        (Ends::Plain, false) => KEEP_PLAIN.to_owned(),
        (Ends::Plain, true) => bundle::keep("task", "true"),
        (Ends::Varied, false) => KEEP.to_owned(),
        (Ends::Varied, true) => {
            let bundled = format!("(end_state = 4 AND result IS NULL AND {})", bundle::small());
            let rest = KEEP.replace("WHERE keep > 0", &format!("WHERE keep > 0 AND NOT {bundled}"));
            rest + &bundle::keep(bundle::TASK, &bundled)
        }
    }
}

/// Into history, from any statement that has `gone` and `clock`.
pub(super) const KEEP: &str = ", kept AS (
        INSERT INTO @.history(id, expires, finished, eta, created, epoch, attempt, crashes, state, priority, queue, name,
            tag, options, payload, error, result)
        SELECT id, now + least(keep, 9223372036854775807 - now), now, eta, created, epoch, attempt, crashes, end_state,
            priority, queue, name, tag, options, payload, coalesce(end_error, error), result
        FROM gone, clock WHERE keep > 0)";

/// The same for plain successes, which are all kept for as long.
const KEEP_PLAIN: &str = ", kept AS (
        INSERT INTO @.history(id, expires, finished, eta, created, epoch, attempt, crashes, state, priority, queue, name,
            tag, options, payload, error)
        SELECT id, (SELECT now + least($10, 9223372036854775807 - now) FROM clock), (SELECT now FROM clock), eta, created,
            epoch, attempt, crashes, 4, priority, queue, name, tag, options, payload, error
        FROM gone WHERE $10 > 0)";

/// For the tombstone time of the queue, or else the store's. Walks the names by their key, in its order: two statements
/// cannot wait for each other.
pub(super) const BURY: &str = ", buried AS (
        UPDATE @.name n SET until = now + least(9223372036854775807 - now, greatest(kept,
            coalesce((SELECT tombstone FROM @.queue_limit l WHERE l.queue = n.queue), $11)))
        FROM (SELECT n.queue, n.name, CASE WHEN gone.result IS NULL THEN 0 ELSE gone.keep END AS kept
            FROM gone JOIN @.name n ON n.queue = gone.queue AND n.name = gone.name
            WHERE n.id = gone.id ORDER BY n.queue, n.name FOR UPDATE OF n) g, clock
        WHERE n.queue = g.queue AND n.name = g.name)";

const BURY_PLAIN: &str = ", buried AS (
        UPDATE @.name n SET until = now + least(9223372036854775807 - now,
            coalesce((SELECT tombstone FROM @.queue_limit l WHERE l.queue = n.queue), $11))
        FROM (SELECT n.queue, n.name FROM gone JOIN @.name n ON n.queue = gone.queue AND n.name = gone.name
            WHERE n.id = gone.id ORDER BY n.queue, n.name FOR UPDATE OF n) g, clock
        WHERE n.queue = g.queue AND n.name = g.name)";

/// `most` of each queue is what a claim takes of it.
const QUEUES: &str = ", queues AS MATERIALIZED (
        SELECT queue, i, j, most, (row_number() OVER (ORDER BY queue) + $5) % count(*) OVER () AS nr FROM (";

/// Equal shares. What is configured is claimed from by statements of its own (see limits.rs).
const SHARED: &str = "SELECT q.*, ceil($4::float8 / count(*) OVER ())::int8 AS most FROM (
            SELECT * FROM unnest($6, $7, $8) AS u(queue, i, j)@others) q
        WHERE NOT EXISTS (SELECT FROM @.queue_limit l WHERE l.queue = q.queue)";

const OTHERS: &str = " UNION ALL SELECT DISTINCT name, 1, 1 FROM @.queue
            WHERE name NOT IN (SELECT unnest($6))";

const GRANTED: &str = "SELECT * FROM unnest($6, $7, $8, $13) AS u(queue, i, j, most)";

/// Most urgent first from the marks on, and what came back from its start. Walks
/// `task_ready` and `task_back`. The order of nested loops is the order of queues and ranges, and they end where the limit
/// does. Nearly always nothing has come back, and then there is nothing to sort.
///
/// The update writes no indexed value, but for what came back: a new version of the row on the same page is all of it. It
/// is the outermost statement, for what a part returns is copied once more.
const CLAIM: &str = ") q),
    back AS MATERIALIZED (SELECT EXISTS (SELECT FROM @.task WHERE place = 7) AS there),
    picked AS MATERIALIZED (
        SELECT c.key, c.id FROM (SELECT * FROM queues ORDER BY nr) q CROSS JOIN LATERAL (
            SELECT r.key, r.id FROM (@ready) r WHERE NOT (SELECT there FROM back)
            UNION ALL
            SELECT m.key, m.id FROM (
                SELECT b.key, b.id FROM ((@ready) UNION ALL SELECT * FROM (@back) r) b
                ORDER BY b.priority, b.eta, b.id LIMIT q.most) m
            WHERE (SELECT there FROM back)) c
        WHERE EXISTS (SELECT FROM me) LIMIT $4),
    noted AS (INSERT INTO @.claim(worker, turn, tasks) SELECT $2, $12, array_agg(id) FROM picked HAVING count(*) > 0)
    UPDATE @.task t SET place = 0, worker = $2, epoch = epoch + 1, attempt = attempt + 1,
        started = false, hold = NULL, first_claim = coalesce(first_claim, (SELECT now FROM clock))
    WHERE @key = ANY (ARRAY(SELECT key FROM picked)) AND worker IS NULL AND place IN (0, 7)
    RETURNING id, epoch, attempt, crashes, first_claim, queue, name, priority, eta, options, payload, @tid AS tid,
        (SELECT now FROM clock), (SELECT max(most)::int4 FROM queues)";

/// The ready tasks of a queue `q`. What is to be cancelled is passed by. `@key` is what a locked row is found by again.
const READY: &str = "SELECT r.* FROM generate_series(q.i, q.j) AS n CROSS JOIN LATERAL (
        SELECT t.@key AS key, t.id, t.priority, t.eta FROM @.task t
        WHERE t.place = 0 AND t.worker IS NULL AND @is(t.queue, q.queue)
            AND (t.priority, t.eta) >= ($9[n], $11[n]) AND t.priority <= $10[n] AND t.id <> ALL (ARRAY(SELECT id FROM @.cancel))
        ORDER BY t.priority, t.eta, t.id LIMIT q.most FOR UPDATE SKIP LOCKED) r
    LIMIT q.most";

/// Those that came back.
const BACK: &str = "SELECT t.@key AS key, t.id, t.priority, t.eta FROM @.task t
    WHERE t.place = 7 AND @is(t.queue, q.queue) AND t.id <> ALL (ARRAY(SELECT id FROM @.cancel))
    ORDER BY t.priority, t.eta, t.id LIMIT q.most FOR UPDATE SKIP LOCKED";

/// All that there is to know beside the claims. What is to be cancelled: what this worker runs, and what does not run.
/// Asked per request, of which there are nearly never any: as a join, the planner may begin with the tasks. And which
/// queues are configured, and whether claims may ask the limits of any.
const HEADER: &str = " SELECT (SELECT now FROM clock), (SELECT era FROM @.worker WHERE id = $2),
        (SELECT min(eta) FROM @.task WHERE place = 1 AND eta >= $12),
        (SELECT array_agg(c.id) FROM @.cancel c
            WHERE (SELECT t.worker FROM @.task t WHERE t.id = c.id) = $2),
        (SELECT array_agg(c.id) FROM @.cancel c
            WHERE (SELECT t.worker FROM @.task t WHERE t.id = c.id) IS NULL),
        (SELECT array_agg(queue) FROM @.queue_limit), EXISTS (SELECT FROM @.queue_limit WHERE gate < 2), ";

/// The statement that settles, in this shape.
pub(super) fn settle(shape: Shape) -> Sql {
    static TEXTS: [OnceLock<String>; 24] = [const { OnceLock::new() }; 24];
    let index = shape.ends as usize * 2 + usize::from(shape.named);
    let index = (index * 2 + usize::from(shape.by_place)) * 2 + usize::from(shape.bundled);
    let types = if shape.by_place { SETTLE_TYPES } else { &SETTLE_TYPES[..SETTLE_TYPES.len() - 1] };
    Sql { text: TEXTS[index].get_or_init(|| write_settle(shape)), types }
}

fn write_settle(shape: Shape) -> String {
    let mut text = BEGIN.to_owned() + OVER;
    if shape.ends != Ends::None {
        text.push_str(&end(shape));
    }
    text.push_str(&keep(shape));
    if shape.named {
        text.push_str(if shape.ends == Ends::Plain { BURY_PLAIN } else { BURY });
    }
    text.push_str(HEADER);
    // A list only if some were refused: nearly always there is nothing to send.
    text.push_str(match shape.ends {
        Ends::None => "NULL::uuid[]",
        _ => "(SELECT CASE WHEN count(*) < cardinality($4) THEN array_agg(id) || '{}'::uuid[] END FROM gone)",
    });
    text
}

/// The statement that claims.
pub(super) fn claim(from: From) -> Sql {
    static TEXTS: [OnceLock<String>; 3] = [const { OnceLock::new() }; 3];
    let types = if from == From::Granted { CLAIM_TYPES } else { &CLAIM_TYPES[..CLAIM_TYPES.len() - 1] };
    Sql { text: TEXTS[from as usize].get_or_init(|| write_claim(from)), types }
}

fn write_claim(from: From) -> String {
    let queues = match from {
        From::Only => SHARED.replace("@others", ""),
        From::All => SHARED.replace("@others", OTHERS),
        From::Granted => GRANTED.to_owned(),
    };
    let text = [BEGIN, QUEUES, &queues, CLAIM].concat();
    text.replace("@ready", READY).replace("@back", BACK)
}
