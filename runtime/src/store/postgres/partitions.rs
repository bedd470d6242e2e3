//! The partitions of history and of bundles: made ahead, one per day of expiry, where rows are going to be written; dropped as a whole once
//! the horizon has passed them. Any number of workers may do this at once: what somebody else has done is done.
//!
//! A partition that cannot be made or dropped because somebody reads history for long is no trouble: rows go to the
//! default partition, and the next round tries again.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use super::base::Base;
use super::push::micros;
use super::sql::{Session, Sql};
use crate::error::Result;

/// What is in partitions.
const PARENTS: [&str; 2] = ["history", "bundle"];

/// The width of a partition, in microseconds.
const DAY: i64 = 86_400_000_000;

/// Partitions are made for so many days from each time of expiry.
const AHEAD: i64 = 3;

/// Beyond this, nothing is made: what is kept so long goes to the default partition.
const LAST_DAY: i64 = 100_000;

/// How often partitions are looked at within a day; sooner if it did not work.
const OFTEN: Duration = Duration::from_secs(600);
const SOON: Duration = Duration::from_secs(30);

/// When they were last looked at: on which day, and when again.
#[derive(Debug, Default)]
pub(super) struct Tended(Mutex<Option<(i64, Instant)>>);

const LIST: Sql = Sql {
    text: "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = $1::regclass::oid",
    types: &[Type::TEXT],
};

/// Up to `$1` everything has expired long ago: once it is pruned, the horizon moves there, over the days on which nothing
/// expires any more.
const MOVE_HORIZON: Sql = Sql {
    text: "UPDATE @.meta m SET value = $1 WHERE key = 'horizon' AND value < $1
        AND NOT EXISTS (SELECT FROM @.history WHERE expires > m.value AND expires <= $1)
        AND NOT EXISTS (SELECT FROM @.bundle WHERE expires > m.value AND expires <= $1)",
    types: &[Type::INT8],
};

const HORIZON: Sql = Sql { text: "SELECT value FROM @.meta WHERE key = 'horizon'", types: &[] };

/// A clock that is set back by less than this does no harm.
const HOUR: i64 = 3_600_000_000;

/// What the default partition holds is deleted: it is the exception.
const PRUNE_DEFAULT: Sql = Sql {
    text: "WITH bundled AS (
            DELETE FROM @.bundle_default WHERE expires <= (SELECT value FROM @.meta WHERE key = 'horizon'))
        DELETE FROM @.history_default WHERE expires <= (SELECT value FROM @.meta WHERE key = 'horizon')",
    types: &[],
};

/// One at a time, where that can be had for nothing; for a moment only, for others wait behind a lock that waits.
const BEGIN: &str = "SET LOCAL lock_timeout = '200ms'";

const ALONE: Sql = Sql { text: "SELECT pg_try_advisory_xact_lock(hashtext($1), 1)", types: &[Type::TEXT] };

/// Looks at the partitions if it is time to.
pub(super) async fn tend(base: &Base, session: &Session, now: i64) {
    let today = now.div_euclid(DAY);
    let last = *base.tended.0.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_some_and(|(day, again)| day == today && Instant::now() < again) {
        return;
    }
    let wait = match work(base, session, now).await {
        Ok(()) => OFTEN,
        Err(error) => {
            tracing::debug!(error = error.chain(), "partitions of the history could not be made or dropped");
            SOON
        }
    };
    *base.tended.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((today, Instant::now() + wait));
}

async fn work(base: &Base, session: &Session, now: i64) -> Result<()> {
    let today = now.div_euclid(DAY);
    let over = today.saturating_mul(DAY).min(now.saturating_sub(HOUR)).saturating_sub(1);
    session.rows("move the horizon", &MOVE_HORIZON, &[&over]).await?;
    let horizon: i64 = match session.rows("look for the horizon", &HORIZON, &[]).await?.first() {
        Some(row) => row.get(0),
        None => return Ok(()),
    };
    session.rows("remove what was kept long enough", &PRUNE_DEFAULT, &[]).await?;
    for parent in PARENTS {
        let table = base.dialect.write(&format!("@.{parent}"));
        let parts = session.rows("look for partitions", &LIST, &[&table]).await?;
        let there: BTreeSet<i64> = parts.iter().filter_map(|row| day_of(parent, row.get(0))).collect();
        for day in wanted(base, today).difference(&there) {
            alone(base, session, &make(parent, *day)).await?;
        }
        for day in there.iter().filter(|day| (**day + 1).saturating_mul(DAY) <= horizon.saturating_add(1)) {
            alone(base, session, &format!("DROP TABLE IF EXISTS @.{}", name(parent, *day))).await?;
        }
    }
    Ok(())
}

/// The days on which what finishes soon will expire.
fn wanted(base: &Base, today: i64) -> BTreeSet<i64> {
    let retention = &base.retention;
    [retention.succeeded, retention.failed, retention.cancelled]
        .into_iter()
        .filter(|keep| !keep.is_zero())
        .map(|keep| today.saturating_add(micros(keep) / DAY))
        .flat_map(|first| first..=first.saturating_add(AHEAD))
        .filter(|day| (0..LAST_DAY).contains(day))
        .collect()
}

/// Rows of the day that went to the default partition meanwhile are taken along.
fn make(parent: &str, day: i64) -> String {
    let (name, from, to) = (name(parent, day), day * DAY, (day + 1) * DAY);
    format!(
        "CREATE TABLE @.{name} (LIKE @.{parent} INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING COMPRESSION);
        WITH moved AS (DELETE FROM @.{parent}_default WHERE expires >= {from} AND expires < {to} RETURNING *)
            INSERT INTO @.{name} SELECT * FROM moved;
        ALTER TABLE @.{parent} ATTACH PARTITION @.{name} FOR VALUES FROM ({from}) TO ({to})"
    )
}

async fn alone(base: &Base, session: &Session, sql: &str) -> Result<()> {
    let work = async {
        session.batch("set a limit", BEGIN).await?;
        if base.settings.advisory_locks {
            let got = session.rows("lock the partitions", &ALONE, &[&base.dialect.schema()]).await?;
            if !got.first().is_some_and(|row| row.get(0)) {
                return Ok(());
            }
        }
        session.batch("change a partition of the history", &base.dialect.write(sql)).await
    };
    session.in_transaction("change a partition of the history", work).await
}

fn name(parent: &str, day: i64) -> String {
    format!("{parent}_{day}")
}

fn day_of(parent: &str, name: &str) -> Option<i64> {
    name.strip_prefix(parent)?.strip_prefix('_')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_known_by_its_name() {
        assert_eq!(day_of("history", &name("history", 19_737)), Some(19_737));
        assert_eq!(day_of("history", "history_default"), None);
        assert_eq!(day_of("history", &name("bundle", 19_737)), None);
    }

    #[test]
    fn a_days_partition_ends_where_the_next_begins() {
        assert!(
            make("history", 5).contains(&format!("TO ({})", 6 * DAY))
                && make("history", 6).contains(&format!("FROM ({})", 6 * DAY))
        );
    }
}
