//! History by the bundle. Nearly all that ever ends are plain successes, many of them in one turn: a row of history for
//! each would cost more than its claim did. So those of one queue whose ids were made at about the same time are one row.
//!
//! A bundle is found by its bucket, which every id tells: a quarter of a second of the time at which ids were made. So
//! whoever looks for an id looks at a few bundles, and whoever walks all tasks in the order of their ids walks the buckets
//! in theirs.

use crate::task::TaskId;

/// Ids of so many milliseconds, as a power of two, share a bucket: so it is the first five bytes of them.
const WIDTH: u32 = 8;

/// A task of more bytes than this is kept in a row of its own: whoever looks for one task of a bundle reads all of it, and
/// no row takes more than a gigabyte.
pub(super) const LARGEST: usize = 4096;

/// Whether a bundle takes a task of `gone`.
pub(super) fn small() -> String {
    format!(
        "octet_length(payload) + coalesce(octet_length(options), 0) + coalesce(octet_length(error), 0) <= {LARGEST}"
    )
}

/// The bucket of an id: its milliseconds are the first six bytes.
pub(super) fn bucket(id: TaskId) -> i64 {
    let millis = id.as_bytes()[..6].iter().fold(0, |millis, byte| millis << 8 | i64::from(*byte));
    millis >> WIDTH
}

pub(super) fn buckets(ids: &[TaskId]) -> Vec<i64> {
    ids.iter().copied().map(bucket).collect()
}

/// A task of `gone` as it stands in a bundle.
pub(super) const TASK: &str =
    "ROW(id, eta, created, epoch, attempt, crashes, priority, name, tag, options, payload,
                error)::@.ended";

/// The bucket of the ids that begin with the same bytes (see [`bucket`]); all operators of this kind bind alike.
const BUCKET: &str =
    "get_byte(first, 0)::int8 << 32 | (get_byte(first, 1)::int8 << 24) | (get_byte(first, 2) << 16)
                | (get_byte(first, 3) << 8) | get_byte(first, 4)";

/// From a turn's `gone`: the rows that are `plain`, each as `task` says.
pub(super) fn keep(task: &str, plain: &str) -> String {
    format!(
        ", bundled AS (
        INSERT INTO @.bundle(bucket, expires, finished, count, queue, ids, tasks)
        SELECT {BUCKET},
            (SELECT now + least($10, 9223372036854775807 - now) FROM clock), (SELECT now FROM clock), count(*), queue,
            array_agg(id), array_agg(task)
        FROM (SELECT id, queue, substr(uuid_send(id), 1, 5) AS first, {task} AS task FROM gone WHERE $10 > 0 AND {plain}) g
        GROUP BY first, queue)"
    )
}

/// Bundles as rows, in the columns of the reads of history, and behind them the bucket.
pub(super) const FROM: &str = "SELECT d.id, b.queue, d.name, d.tag, 4::int2 AS state, d.priority, d.eta,
    d.attempt, d.epoch, d.crashes, d.created, b.finished, NULL::int8 AS worker, NULL::int2 AS hold, d.error, d.options, d.payload,
    NULL::bytea AS result, b.bucket FROM @.bundle b CROSS JOIN LATERAL unnest(b.tasks) d
    WHERE b.expires > (SELECT value FROM @.meta WHERE key = 'horizon')";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_moment_share_a_bucket_and_later_ones_have_later_ones() {
        let at = |millis: u64, rest: u8| {
            let mut bytes = [rest; 16];
            bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
            bucket(TaskId::from_bytes(bytes))
        };
        assert_eq!(at(0x0199_0000_1200, 0), at(0x0199_0000_12ff, 255));
        assert_eq!(at(0x0199_0000_1200, 0) + 1, at(0x0199_0000_1300, 0));
        assert!(at((1 << 48) - 1, 255) > 0);
    }
}
