//! The text of a turn: one statement whose parts are left out when they have nothing to do. All parts see the same
//! snapshot and take the same parameters.

use std::sync::OnceLock;

use tokio_postgres::types::Type;

use super::bundle;
use super::settle::Finish;
use super::sql::Sql;

/// Which parts there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    ends: Ends,
    /// What ends is found by its place.
    by_place: bool,
    named: bool,
    /// Plain successes are kept by the bundle.
    bundled: bool,
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
    /// From the queues that are named, but those that are configured.
    Only,
    /// From these and all others, but those that are configured.
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
        let any = ends != Ends::None;
        Self {
            ends,
            by_place: any && finish.tids.is_some(),
            named: any && finish.named,
            bundled: any && finish.buckets.is_some(),
            from,
        }
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
    Type::INT8_ARRAY,  // $22 turns all of whose claims have come to something
    Type::INT8_ARRAY,  // $23 buckets of what ends, if it is kept by the bundle
    Type::TID_ARRAY,   // $24 where what ends stands, if all of it is looked for there
];

/// Holds the worker's row, so that whoever takes it for dead, or undoes its turns, waits; beats do not.
const BEGIN: &str = "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now),
    me AS MATERIALIZED (SELECT id FROM @.worker WHERE id = $2 AND era = $3 FOR KEY SHARE),
    over AS (DELETE FROM @.claim WHERE worker = $2 AND turn = ANY ($22) AND EXISTS (SELECT FROM me))";

/// What history takes of a task as it is.
const RETURNING: &str = "
        RETURNING t.id, t.eta, t.created, t.epoch, t.attempt, t.crashes, t.priority, t.queue, t.name, t.tag, t.options, t.payload,
            t.error";

/// Whoever goes by the place asks for the id as well: another row may stand there by now.
fn end(shape: Shape) -> String {
    let (mut lists, mut names) = (String::from("$4, $5"), String::from("id, epoch"));
    let (mut place, mut more) = ("", String::new());
    if shape.ends == Ends::Varied {
        lists.push_str(", $6, $7, $8, $9");
        names.push_str(", state, keep, error, result");
        more.push_str(", f.state AS end_state, f.keep, f.error AS end_error, f.result");
    }
    if shape.bundled {
        lists.push_str(", $23");
        names.push_str(", bucket");
        more.push_str(", f.bucket");
    }
    if shape.by_place {
        lists.push_str(", $24");
        names.push_str(", tid");
        place = "t.ctid = f.tid AND ";
    }
    format!(
        ", gone AS (
        DELETE FROM @.task t USING unnest({lists}) AS f({names})
        WHERE {place}t.id = f.id AND t.epoch = f.epoch AND t.worker = $2 AND EXISTS (SELECT FROM me){RETURNING}{more})"
    )
}

/// What is kept of what is gone.
fn keep(shape: Shape) -> String {
    match (shape.ends, shape.bundled) {
        (Ends::None, _) => String::new(),
        (Ends::Plain, false) => KEEP_PLAIN.to_owned(),
        (Ends::Plain, true) => bundle::KEEP.replace("@plain", "true"),
        (Ends::Varied, false) => KEEP.to_owned(),
        (Ends::Varied, true) => {
            let plain = "(end_state = 4 AND result IS NULL)";
            let rest = KEEP.replace("WHERE keep > 0", &format!("WHERE keep > 0 AND NOT {plain}"));
            rest + &bundle::KEEP.replace("@plain", plain)
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

const QUEUES: &str = ", queues AS MATERIALIZED (
        SELECT queue, i, j, (row_number() OVER (ORDER BY queue) + $13) % count(*) OVER () AS nr
        FROM (SELECT * FROM unnest($14, $15, $16) AS u(queue, i, j)";

const OTHER_QUEUES: &str = " UNION ALL SELECT DISTINCT name, 1, 1 FROM @.queue WHERE name <> ALL ($14)";

/// What is configured is claimed from by statements of its own (see limits.rs).
const UNCONFIGURED: &str = ") q WHERE NOT EXISTS (SELECT FROM @.queue_limit l WHERE l.queue = q.queue)";

const GRANTED: &str = ") q";

/// Most urgent first from the marks on, and what came back from its start; `share` from each queue at most. Walks
/// `task_ready` and `task_back`. The order of nested loops is the order of queues and ranges, and they end where the limit
/// does. Nearly always nothing has come back, and then there is nothing to sort.
///
/// The update writes no indexed value, but for what came back: a new version of the row on the same page is all of it.
const CLAIM: &str = "),
    share AS MATERIALIZED (SELECT ceil($12::float8 / greatest(1, count(*)))::int8 AS most FROM queues),
    back AS MATERIALIZED (SELECT EXISTS (SELECT FROM @.task WHERE place = 7) AS there),
    picked AS MATERIALIZED (
        SELECT c.key FROM (SELECT * FROM queues ORDER BY nr) q CROSS JOIN LATERAL (
            SELECT r.key FROM (@ready) r WHERE NOT (SELECT there FROM back)
            UNION ALL
            SELECT m.key FROM (
                SELECT b.key FROM ((@ready) UNION ALL SELECT * FROM (@back) r) b
                ORDER BY b.priority, b.eta, b.id LIMIT (SELECT most FROM share)) m
            WHERE (SELECT there FROM back)) c
        WHERE EXISTS (SELECT FROM me) LIMIT $12),
    claimed AS (
        UPDATE @.task t SET place = 0, worker = $2, epoch = epoch + 1, attempt = attempt + 1,
            started = false, hold = NULL, first_claim = coalesce(first_claim, (SELECT now FROM clock))
        WHERE @key = ANY (ARRAY(SELECT key FROM picked)) AND worker IS NULL AND place IN (0, 7)
        RETURNING id, epoch, attempt, crashes, first_claim, queue, name, priority, eta, options, payload, @tid AS tid),
    noted AS (INSERT INTO @.claim(worker, turn, tasks) SELECT $2, $20, array_agg(id) FROM claimed HAVING count(*) > 0)
    SELECT id, epoch, attempt, crashes, first_claim, queue, name, priority, eta, options, payload, tid,
        NULL::uuid[], NULL::uuid[], NULL::uuid[], NULL::text[], NULL::bool FROM claimed
    UNION ALL";

/// The ready tasks of a queue `q`. What is to be cancelled is passed by. `@key` is what a locked row is found by again.
const READY: &str = "SELECT r.* FROM generate_series(q.i, q.j) AS n CROSS JOIN LATERAL (
        SELECT t.@key AS key, t.id, t.priority, t.eta FROM @.task t
        WHERE t.place = 0 AND t.worker IS NULL AND @is(t.queue, q.queue)
            AND (t.priority, t.eta) >= ($17[n], $19[n]) AND t.priority <= $18[n] AND t.id <> ALL (ARRAY(SELECT id FROM @.cancel))
        ORDER BY t.priority, t.eta, t.id LIMIT (SELECT most FROM share) FOR UPDATE SKIP LOCKED) r
    LIMIT (SELECT most FROM share)";

/// Those that came back.
const BACK: &str = "SELECT t.@key AS key, t.id, t.priority, t.eta FROM @.task t
    WHERE t.place = 7 AND @is(t.queue, q.queue) AND t.id <> ALL (ARRAY(SELECT id FROM @.cancel))
    ORDER BY t.priority, t.eta, t.id LIMIT (SELECT most FROM share) FOR UPDATE SKIP LOCKED";

/// The last row: all that is not a claim, in the columns of one.
const HEADER: &str = " SELECT NULL::uuid, (SELECT now FROM clock), ";
const HEADER_REST: &str = ", (SELECT era FROM @.worker WHERE id = $2), NULL::text, NULL::text, 0::int2,
        (SELECT min(eta) FROM @.task WHERE place = 1 AND eta >= $21), NULL::bytea, NULL::bytea, NULL, ";

/// What is to be cancelled: what this worker runs, and what does not run. Asked per request, of which there are nearly
/// never any: as a join, the planner may begin with the tasks. And which queues are configured, and whether claims may ask
/// the limits of any.
const FOOTER: &str = ",
        (SELECT array_agg(c.id) FROM @.cancel c
            WHERE (SELECT t.worker FROM @.task t WHERE t.id = c.id) = $2),
        (SELECT array_agg(c.id) FROM @.cancel c
            WHERE (SELECT t.worker FROM @.task t WHERE t.id = c.id) IS NULL),
        (SELECT array_agg(queue) FROM @.queue_limit), EXISTS (SELECT FROM @.queue_limit WHERE gate < 2)";

/// The statement of a shape.
pub(super) fn sql(shape: Shape) -> Sql {
    static TEXTS: [OnceLock<String>; 96] = [const { OnceLock::new() }; 96];
    let index = shape.ends as usize * 2 + usize::from(shape.named);
    let index = (index * 2 + usize::from(shape.by_place)) * 2 + usize::from(shape.bundled);
    let index = index * 4 + shape.from as usize;
    let types = if shape.by_place { TYPES } else { &TYPES[..TYPES.len() - 1] };
    Sql { text: TEXTS[index].get_or_init(|| write(shape)), types }
}

fn write(shape: Shape) -> String {
    let mut text = BEGIN.to_owned();
    if shape.ends != Ends::None {
        text.push_str(&end(shape));
    }
    text.push_str(&keep(shape));
    if shape.named {
        text.push_str(if shape.ends == Ends::Plain { BURY_PLAIN } else { BURY });
    }
    match shape.from {
        From::Nowhere => {}
        From::Only => text.extend([QUEUES, UNCONFIGURED, CLAIM]),
        From::All => text.extend([QUEUES, OTHER_QUEUES, UNCONFIGURED, CLAIM]),
        From::Granted => text.extend([QUEUES, GRANTED, CLAIM]),
    }
    text.push_str(HEADER);
    text.push_str(match shape.from {
        From::Nowhere => "0, 0",
        _ => "(SELECT most::int4 FROM share), (SELECT count(*)::int4 FROM picked)",
    });
    text.push_str(HEADER_REST);
    // A list only if some were refused: nearly always there is nothing to send.
    text.push_str(match shape.ends {
        Ends::None => "NULL::uuid[]",
        _ => "(SELECT CASE WHEN count(*) < cardinality($4) THEN array_agg(id) || '{}'::uuid[] END FROM gone)",
    });
    text.push_str(FOOTER);
    text.replace("@ready", READY).replace("@back", BACK)
}
