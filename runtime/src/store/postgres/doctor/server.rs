//! Settings of the server that break what the store promises, and its clock.

use std::time::SystemTime;

use super::Doctor;
use crate::error::Result;
use crate::store::finding::Finding;
use crate::store::postgres::settings::Durability;

/// Clocks that are further apart confuse people who compare times.
const SKEW: f64 = 5.0;

impl Doctor<'_> {
    /// What an acknowledgement is worth with these settings.
    pub(super) async fn durability(&self) -> Result<Vec<Finding>> {
        let mut found = Vec::new();
        for (name, why) in [
            (
                "fsync",
                "the server does not wait for its disk: after a loss of power the whole database may be damaged",
            ),
            ("full_page_writes", "a page that was half written when power failed cannot be repaired"),
        ] {
            if self.setting(name).await? == "off" {
                let advice = format!("ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf()");
                found.push(Finding::trouble("durability", format!("`{name}` is off"), why, advice));
            }
        }
        let commit = self.setting("synchronous_commit").await?;
        let too_little: &[&str] = match self.settings.durability {
            Durability::Process => &[],
            Durability::Disk => &["off"],
            Durability::Replicated => &["off", "local", "remote_write"],
        };
        if too_little.contains(&commit.as_str()) {
            found.push(Finding::note(
                "durability",
                format!("`synchronous_commit` is `{commit}` for this user and database"),
                "the store's own sessions ask for more, but a task that is added in a transaction of yours is only as \
                 safe as that transaction",
                "take the setting back (ALTER ROLE … RESET synchronous_commit, ALTER DATABASE …, or the server's own), \
                 or set it in those transactions",
            ));
        }
        if self.settings.durability == Durability::Replicated {
            found.extend(self.replication().await?);
        }
        Ok(found)
    }

    async fn replication(&self) -> Result<Option<Finding>> {
        let sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')";
        let rows = self.rows("look at standbys", sql, &[]).await?;
        let standbys: i64 = rows.first().map_or(0, |row| row.get(0));
        let names = self.setting("synchronous_standby_names").await?;
        let what = match (names.as_str(), standbys) {
            ("", _) => "`synchronous_standby_names` is empty: no commit waits for a standby".to_owned(),
            (_, 0) => format!("no standby that `synchronous_standby_names` names (`{names}`) is connected"),
            _ => return Ok(None),
        };
        Ok(Some(Finding::trouble(
            "durability",
            what,
            "`durability=replicated` promises that an acknowledged task survives the loss of the server; without a \
             standby that commits wait for, that is not so, or nothing is acknowledged at all",
            "connect a standby, and name it: ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()",
        )))
    }

    /// The server's clock decides what is due; people read it in the server's time zone.
    pub(super) async fn time(&self) -> Result<Vec<Finding>> {
        let before = unix_now();
        let sql = "SELECT extract(epoch FROM clock_timestamp())::float8, current_setting('TimeZone')";
        let rows = self.rows("look at the clock", sql, &[]).await?;
        let after = unix_now();
        let Some(row) = rows.first() else { return Ok(Vec::new()) };
        let zone: String = row.get(1);
        let zoned = (!is_utc(&zone)).then(|| {
            Finding::note(
                "time-zone",
                format!("the time zone for this user and database is `{zone}`"),
                "the queue's times are the same everywhere, but SQL of your own that shows them, or rounds them to \
                 days, does so in this zone, with days of 23 and 25 hours",
                "ALTER DATABASE … SET TimeZone = 'UTC', or keep it in mind",
            )
        });
        Ok(skew(before, row.get(0), after).into_iter().chain(zoned).collect())
    }
}

fn is_utc(zone: &str) -> bool {
    ["utc", "etc/utc", "gmt", "etc/gmt", "uct", "zulu", "universal"]
        .contains(&zone.to_ascii_lowercase().as_str())
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The server's time was read between two looks at ours.
fn skew(before: f64, server: f64, after: f64) -> Option<Finding> {
    let apart = if server < before { server - before } else { (server - after).max(0.0) };
    (apart.abs() > SKEW).then(|| {
        let way = if apart < 0.0 { "behind" } else { "ahead of" };
        Finding::trouble(
            "clock",
            format!("the server's clock is {:.0} s {way} this machine's", apart.abs()),
            "tasks are due by the server's clock: an `eta` that was computed here comes at another time than was meant",
            "set both clocks by NTP (`timedatectl status`)",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_only_beyond_what_the_way_there_takes() {
        assert_eq!(skew(1000.0, 1004.0, 1008.0), None);
        assert_eq!(skew(1000.0, 999.0, 1001.0), None);
        assert!(skew(1000.0, 990.0, 1001.0).unwrap().what.contains("10 s behind"));
        assert!(skew(1000.0, 1100.0, 1060.0).unwrap().what.contains("40 s ahead of"));
    }

    #[test]
    fn utc_has_many_names() {
        assert!(is_utc("Etc/UTC") && is_utc("GMT") && !is_utc("Europe/Berlin"));
    }
}
