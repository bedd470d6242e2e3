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
    /// What ends is found by its place.
    by_place: bool,
    named: bool,
    claims: Claims,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    None,
    /// Successes without values.
    Plain,
    Varied,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claims {
    None,
    /// From the queues that are named.
    Only,
    /// From these and all others.
    All,
}

impl Shape {
    pub(super) fn of(finish: &Finish<'_>, claims: bool, from_all: bool) -> Self {
        let ends = match (finish.ids.is_empty(), finish.varied) {
            (true, _) => Ends::None,
            (_, false) => Ends::Plain,
            (_, true) => Ends::Varied,
        };
        let claims = match (claims, from_all) {
            (false, _) => Claims::None,
            (_, false) => Claims::Only,
            (_, true) => Claims::All,
        };
        let any = ends != Ends::None;
        Self { ends, by_place: any && finish.tids.is_some(), named: any && finish.named, claims }
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
    Type::TID_ARRAY,   // $23 where what ends stands, if all of it is looked for there
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
fn end(ends: Ends, by_place: bool) -> String {
    let (lists, names) = match ends {
        Ends::Varied => (", $6, $7, $8, $9", ", state, keep, error, result"),
        _ => ("", ""),
    };
    let (list, name, place) = if by_place { (", $23", ", tid", "t.ctid = f.tid AND ") } else { ("", "", "") };
    let more = match ends {
        Ends::Varied => ", f.state AS end_state, f.keep, f.error AS end_error, f.result",
        _ => "",
    };
    format!(
        ", gone AS (
        DELETE FROM @.task t USING unnest($4, $5{lists}{list}) AS f(id, epoch{names}{name})
        WHERE {place}t.id = f.id AND t.epoch = f.epoch AND t.worker = $2 AND EXISTS (SELECT FROM me){RETURNING}{more})"
    )
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

/// Walks the names by their key, in its order: two statements cannot wait for each other.
pub(super) const BURY: &str = ", buried AS (
        UPDATE @.name n SET until = now + least(greatest($11, kept), 9223372036854775807 - now)
        FROM (SELECT n.queue, n.name, CASE WHEN gone.result IS NULL THEN 0 ELSE gone.keep END AS kept
            FROM gone JOIN @.name n ON n.queue = gone.queue AND n.name = gone.name
            WHERE n.id = gone.id ORDER BY n.queue, n.name FOR UPDATE OF n) g, clock
        WHERE n.queue = g.queue AND n.name = g.name)";

const BURY_PLAIN: &str = ", buried AS (
        UPDATE @.name n SET until = now + least($11, 9223372036854775807 - now)
        FROM (SELECT n.queue, n.name FROM gone JOIN @.name n ON n.queue = gone.queue AND n.name = gone.name
            WHERE n.id = gone.id ORDER BY n.queue, n.name FOR UPDATE OF n) g, clock
        WHERE n.queue = g.queue AND n.name = g.name)";

const QUEUES: &str = ", queues AS MATERIALIZED (
        SELECT queue, i, j, (row_number() OVER (ORDER BY queue) + $13) % count(*) OVER () AS nr
        FROM (SELECT * FROM unnest($14, $15, $16) AS u(queue, i, j)";

const OTHER_QUEUES: &str = " UNION ALL SELECT DISTINCT name, 1, 1 FROM @.queue WHERE name <> ALL ($14)";

/// Most urgent first from the marks on, and what came back from its start; `share` from each queue at most. Walks
/// `task_ready` and `task_back`. What is to be cancelled is passed by. The order of nested loops is the order of queues
/// and ranges, and they end where the limit does. `@key` is what a locked row is found by again.
///
/// The update writes no indexed value, but for what came back: a new version of the row on the same page is all of it.
const CLAIM: &str = ") q),
    share AS MATERIALIZED (SELECT ceil($12::float8 / greatest(1, count(*)))::int8 AS most FROM queues),
    picked AS MATERIALIZED (
        SELECT c.key FROM (SELECT * FROM queues ORDER BY nr) q CROSS JOIN LATERAL (
            SELECT b.key FROM (
                (SELECT r.* FROM generate_series(q.i, q.j) AS n CROSS JOIN LATERAL (
                    SELECT t.@key AS key, t.id, t.priority, t.eta FROM @.task t
                    WHERE t.place = 0 AND t.worker IS NULL AND t.queue = q.queue
                        AND (t.priority, t.eta) >= ($17[n], $19[n]) AND t.priority <= $18[n] AND t.id <> ALL (ARRAY(SELECT id FROM @.cancel))
                    ORDER BY t.priority, t.eta, t.id LIMIT (SELECT most FROM share) FOR UPDATE SKIP LOCKED) r
                LIMIT (SELECT most FROM share))
                UNION ALL
                SELECT * FROM (SELECT t.@key AS key, t.id, t.priority, t.eta FROM @.task t
                WHERE t.place = 7 AND t.queue = q.queue AND t.id <> ALL (ARRAY(SELECT id FROM @.cancel))
                ORDER BY t.priority, t.eta, t.id LIMIT (SELECT most FROM share) FOR UPDATE SKIP LOCKED) r) b
            ORDER BY b.priority, b.eta, b.id LIMIT (SELECT most FROM share)) c
        WHERE EXISTS (SELECT FROM me) LIMIT $12),
    claimed AS (
        UPDATE @.task t SET place = 0, worker = $2, epoch = epoch + 1, attempt = attempt + 1,
            started = false, hold = NULL, first_claim = coalesce(first_claim, (SELECT now FROM clock))
        WHERE @key = ANY (ARRAY(SELECT key FROM picked)) AND worker IS NULL AND place IN (0, 7)
        RETURNING id, epoch, attempt, crashes, first_claim, queue, name, priority, eta, options, payload, @tid AS tid),
    noted AS (INSERT INTO @.claim(worker, turn, tasks) SELECT $2, $20, array_agg(id) FROM claimed HAVING count(*) > 0)
    SELECT id, epoch, attempt, crashes, first_claim, queue, name, priority, eta, options, payload, tid,
        NULL::uuid[], NULL::uuid[], NULL::uuid[] FROM claimed
    UNION ALL";

/// The last row: all that is not a claim, in the columns of one.
const HEADER: &str = " SELECT NULL::uuid, (SELECT now FROM clock), ";
const HEADER_REST: &str = ", (SELECT era FROM @.worker WHERE id = $2), NULL::text, NULL::text, 0::int2,
        (SELECT min(eta) FROM @.task WHERE place = 1 AND eta >= $21), NULL::bytea, NULL::bytea, NULL, ";

/// What is to be cancelled: what this worker runs, and what does not run. Asked per request, of which there are nearly
/// never any: as a join, the planner may begin with the tasks.
const FOOTER: &str = ",
        (SELECT array_agg(c.id) FROM @.cancel c
            WHERE (SELECT t.worker FROM @.task t WHERE t.id = c.id) = $2),
        (SELECT array_agg(c.id) FROM @.cancel c
            WHERE (SELECT t.worker FROM @.task t WHERE t.id = c.id) IS NULL)";

/// The statement of a shape.
pub(super) fn sql(shape: Shape) -> Sql {
    static TEXTS: [OnceLock<String>; 36] = [const { OnceLock::new() }; 36];
    let index = shape.ends as usize * 2 + usize::from(shape.named);
    let index = (index * 2 + usize::from(shape.by_place)) * 3 + shape.claims as usize;
    let types = if shape.by_place { TYPES } else { &TYPES[..TYPES.len() - 1] };
    Sql { text: TEXTS[index].get_or_init(|| write(shape)), types }
}

fn write(shape: Shape) -> String {
    let mut text = BEGIN.to_owned();
    if shape.ends != Ends::None {
        text.push_str(&end(shape.ends, shape.by_place));
    }
    let (keep, bury) = match shape.ends {
        Ends::None => ("", ""),
        Ends::Plain => (KEEP_PLAIN, BURY_PLAIN),
        Ends::Varied => (KEEP, BURY),
    };
    text.push_str(keep);
    if shape.named {
        text.push_str(bury);
    }
    match shape.claims {
        Claims::None => {}
        Claims::Only => text.extend([QUEUES, CLAIM]),
        Claims::All => text.extend([QUEUES, OTHER_QUEUES, CLAIM]),
    }
    text.push_str(HEADER);
    text.push_str(match shape.claims {
        Claims::None => "0, 0",
        _ => "(SELECT most::int4 FROM share), (SELECT count(*)::int4 FROM picked)",
    });
    text.push_str(HEADER_REST);
    // A list only if some were refused: nearly always there is nothing to send.
    text.push_str(match shape.ends {
        Ends::None => "NULL::uuid[]",
        _ => "(SELECT CASE WHEN count(*) < cardinality($4) THEN array_agg(id) || '{}'::uuid[] END FROM gone)",
    });
    text.push_str(FOOTER);
    text
}
