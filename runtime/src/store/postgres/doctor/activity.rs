//! Who holds things back: sessions, prepared transactions, replication slots, standbys. Whatever may still see old rows
//! keeps vacuum from removing them, and the hot tables of a queue live on vacuum.

use super::{Doctor, bytes, span};
use crate::error::Result;
use crate::store::finding::Finding;

const HELD_BACK: &str = "while it lives, vacuum can remove no row that was deleted since it began: the queue's tables \
                         grow with every task that passes through them, and everything that reads them gets slower";

/// So many transactions back, what holds them is worth a word.
const OLD_XMIN: i64 = 200_000;

/// So much log kept for a slot in use is worth a word.
const MUCH_LOG: i64 = 10 << 30;

impl Doctor<'_> {
    /// What we may not see, we cannot find.
    pub(super) async fn blindness(&self) -> Result<Option<Finding>> {
        let sql = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'), current_user::text";
        let rows = self.rows("look at our rights", sql, &[]).await?;
        let Some(row) = rows.first().filter(|row| !row.get::<_, bool>(0)) else { return Ok(None) };
        let user: String = row.get(1);
        Ok(Some(Finding::note(
            "rights",
            format!("the user {user} does not see what other users' sessions do"),
            "transactions of other users that hold the queue's vacuum back stay unseen here",
            format!("run doctor as an administrator, or: GRANT pg_read_all_stats TO \"{user}\""),
        )))
    }

    /// Somebody has begun a transaction and does nothing.
    pub(super) async fn idle_transactions(&self) -> Result<Vec<Finding>> {
        self.sessions(
            "idle-in-transaction",
            "state LIKE 'idle in transaction%' AND state_change",
            "has been idle inside a transaction for",
        )
        .await
    }

    /// A query, or a transaction at a higher isolation level, that has looked at the same picture for long.
    pub(super) async fn old_snapshots(&self) -> Result<Vec<Finding>> {
        self.sessions(
            "old-snapshot",
            "state NOT LIKE 'idle in transaction%' AND backend_xmin IS NOT NULL AND xact_start",
            "has kept a snapshot open for",
        )
        .await
    }

    /// Sessions whose time, the last word of `condition`, is long ago.
    async fn sessions(&self, check: &'static str, condition: &str, does: &str) -> Result<Vec<Finding>> {
        let time = condition.split_whitespace().last().unwrap_or_default();
        let sql = format!(
            "SELECT pid::int8, coalesce(usename, '')::text, coalesce(application_name, ''), \
             extract(epoch FROM clock_timestamp() - {time})::float8 \
             FROM pg_stat_activity WHERE {condition} <= clock_timestamp() - make_interval(secs => $1) \
             AND datname = current_database() AND pid <> pg_backend_pid() ORDER BY {time}"
        );
        let rows = self.rows("look at sessions", &sql, &[&self.bounds.old.as_secs_f64()]).await?;
        let finding = |row: &tokio_postgres::Row| {
            let (pid, user, program): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
            Finding::trouble(
                check,
                format!("session {pid} (user {user}, program `{program}`) {does} {}", span(row.get(3))),
                HELD_BACK,
                format!("end it there, or: SELECT pg_terminate_backend({pid})"),
            )
        };
        Ok(rows.iter().map(finding).collect())
    }

    /// Transactions that wait for the second half of a two-phase commit, which may never come.
    pub(super) async fn prepared_transactions(&self) -> Result<Vec<Finding>> {
        let sql = "SELECT gid, owner::text, extract(epoch FROM clock_timestamp() - prepared)::float8 \
                   FROM pg_prepared_xacts WHERE database = current_database() \
                   AND prepared <= clock_timestamp() - make_interval(secs => $1) ORDER BY prepared";
        let rows = self.rows("look at prepared transactions", sql, &[&self.bounds.old.as_secs_f64()]).await?;
        let finding = |row: &tokio_postgres::Row| {
            let (gid, owner): (String, String) = (row.get(0), row.get(1));
            let literal = gid.replace('\'', "''");
            Finding::trouble(
                "prepared-transaction",
                format!(
                    "the prepared transaction `{gid}` of {owner} has waited for its end for {}",
                    span(row.get(2))
                ),
                HELD_BACK,
                format!(
                    "have its owner end it, or: ROLLBACK PREPARED '{literal}' (or COMMIT PREPARED '{literal}')"
                ),
            )
        };
        Ok(rows.iter().map(finding).collect())
    }

    /// Slots keep log, and old rows, for whoever reads from them; even if nobody does any more.
    pub(super) async fn replication_slots(&self) -> Result<Vec<Finding>> {
        let sql = "SELECT slot_name::text, active, \
                   coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
                   ELSE pg_current_wal_lsn() END, restart_lsn), 0)::int8, \
                   coalesce(greatest(age(xmin), age(catalog_xmin)), 0)::int8 FROM pg_replication_slots ORDER BY 1";
        let rows = self.rows("look at replication slots", sql, &[]).await?;
        let finding = |row: &tokio_postgres::Row| {
            let (name, active, log, age): (String, bool, i64, i64) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            let used = if active { "is behind" } else { "is used by nobody" };
            let troubles = if active { log > MUCH_LOG || age > OLD_XMIN } else { log > 0 || age > 0 };
            troubles.then(|| {
                Finding::trouble(
                    "replication-slot",
                    format!("the replication slot `{name}` {used}: it keeps {} of log, and rows of {age} transactions", bytes(log)),
                    "the log that it keeps can fill the disk, and then nothing can be written; rows that it keeps stay \
                     in the queue's tables",
                    format!("connect its reader again, or: SELECT pg_drop_replication_slot('{}')", name.replace('\'', "''")),
                )
            })
        };
        Ok(rows.iter().filter_map(finding).collect())
    }

    /// With `hot_standby_feedback`, a long query on a standby acts like one here.
    pub(super) async fn standby_feedback(&self) -> Result<Vec<Finding>> {
        let sql = "SELECT coalesce(application_name, ''), age(backend_xmin)::int8 FROM pg_stat_replication \
                   WHERE age(backend_xmin) > $1";
        let rows =
            self.rows("look at standbys", sql, &[&i32::try_from(OLD_XMIN).unwrap_or(i32::MAX)]).await?;
        let finding = |row: &tokio_postgres::Row| {
            let (name, age): (String, i64) = (row.get(0), row.get(1));
            Finding::trouble(
                "standby-feedback",
                format!("a query on the standby `{name}` keeps rows of the last {age} transactions"),
                HELD_BACK,
                "end the query there, or turn `hot_standby_feedback` off on that standby",
            )
        };
        Ok(rows.iter().map(finding).collect())
    }
}
