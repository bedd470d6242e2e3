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
        let level = self.settings.durability;
        if level != Durability::Process && commit == "off" {
            found.push(Finding::trouble(
                "durability",
                "`synchronous_commit` is off for this user or database",
                "an acknowledged task can be lost with the server's power; the store was opened for more",
                "take the setting back (ALTER ROLE … RESET synchronous_commit, ALTER DATABASE …, or the server's own), \
                 or open the store with `durability=process` and mean it",
            ));
        }
        if level == Durability::Replicated {
            found.extend(self.replication(&commit).await?);
        }
        Ok(found)
    }

    async fn replication(&self, commit: &str) -> Result<Option<Finding>> {
        let sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')";
        let rows = self.rows("look at standbys", sql, &[]).await?;
        let standbys: i64 = rows.first().map_or(0, |row| row.get(0));
        let names = self.setting("synchronous_standby_names").await?;
        let what = match (commit, names.as_str(), standbys) {
            ("off" | "local", ..) => {
                format!("`synchronous_commit` is `{commit}`: no commit waits for a standby")
            }
            (_, "", _) => "`synchronous_standby_names` is empty: no commit waits for a standby".to_owned(),
            (.., 0) => format!("no standby that `synchronous_standby_names` names (`{names}`) is connected"),
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
