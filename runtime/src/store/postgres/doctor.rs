//! `delay doctor` for PostgreSQL: what is wrong, or soon will be, with the server and our tables there. It only reads,
//! and what it may not see it says.
//!
//! This file owns the order of the checks; `doctor/activity` looks at who holds things back, `doctor/tables` at our
//! tables, `doctor/server` at settings.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::fault::fault;
use super::settings::Settings;
use crate::error::Result;
use crate::store::finding::{Bounds, Finding};

mod activity;
mod server;
mod tables;

/// One look at one schema.
pub(super) struct Doctor<'a> {
    pub(super) client: &'a Client,
    pub(super) settings: &'a Settings,
    pub(super) bounds: Bounds,
    /// The SQL that makes our tables, `@.` for the schema: the indexes that have to be there are read from it.
    pub(super) tables: &'a str,
}

impl Doctor<'_> {
    /// All that is found, by kind of check.
    pub(super) async fn examine(&self) -> Result<Vec<Finding>> {
        let mut found = Vec::new();
        found.extend(self.blindness().await?);
        found.extend(self.idle_transactions().await?);
        found.extend(self.old_snapshots().await?);
        found.extend(self.prepared_transactions().await?);
        found.extend(self.replication_slots().await?);
        found.extend(self.standby_feedback().await?);
        found.extend(self.dead_rows().await?);
        found.extend(self.bloat().await?);
        found.extend(self.autovacuum().await?);
        found.extend(self.freeze_age().await?);
        found.extend(self.indexes().await?);
        found.extend(self.partitions().await?);
        found.extend(self.durability().await?);
        found.extend(self.time().await?);
        Ok(found)
    }

    async fn rows(&self, act: &str, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        self.client.query(sql, parameters).await.map_err(|error| fault(act, error))
    }

    async fn setting(&self, name: &str) -> Result<String> {
        let rows =
            self.rows("read a setting", "SELECT coalesce(current_setting($1, true), '')", &[&name]).await?;
        Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
    }

    /// The schema as it stands in SQL that people run.
    fn quoted(&self) -> String {
        format!("\"{}\"", self.settings.schema.replace('"', "\"\""))
    }
}

/// Bytes in a person's unit.
fn bytes(count: i64) -> String {
    const MIB: i64 = 1 << 20;
    match count {
        ..MIB => format!("{} KiB", count / 1024),
        MIB..0x2_8000_0000 => format!("{} MiB", count / MIB),
        _ => format!("{} GiB", count / (1024 * MIB)),
    }
}

/// Seconds in a person's unit.
fn span(seconds: f64) -> String {
    let length = std::time::Duration::from_secs(seconds.max(0.0) as u64);
    humantime::format_duration(length).to_string()
}
