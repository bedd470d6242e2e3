//! `delay migrate`: brings the store's tables up to date, or shows the SQL that would.

use clap::Args;
use serde::Serialize;

use super::complaint::Complaint;
use super::output::Output;
use crate::schemes;
use crate::store::Retention;

#[derive(Clone, Debug, Args)]
pub(super) struct MigrateArgs {
    /// Prints the SQL that would run, and changes nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Document {
    /// The version of the tables before; `null` if there were none.
    from: Option<i64>,
    to: i64,
    dry_run: bool,
    /// What ran, or would.
    sql: Option<String>,
}

impl MigrateArgs {
    pub(super) async fn run(&self, url: &str, output: &Output) -> Result<(), Complaint> {
        let migration = schemes::migration(url).await.map_err(Complaint::unopened)?;
        if !self.dry_run {
            let store = schemes::open(url, Retention::default()).await.map_err(Complaint::unopened)?;
            store.close().await.map_err(Complaint::failed)?;
        }
        let document =
            Document { from: migration.from, to: migration.to, dry_run: self.dry_run, sql: migration.sql };
        output.answer(&document, || document.text())
    }
}

impl Document {
    fn text(&self) -> String {
        match (&self.sql, self.from) {
            (None, _) if self.dry_run => format!("-- nothing to do: the tables are at version {}\n", self.to),
            (None, _) => format!("the tables were up to date: version {}\n", self.to),
            (Some(sql), _) if self.dry_run => sql.clone(),
            (Some(_), None) => format!("made the tables: version {}\n", self.to),
            (Some(_), Some(from)) => format!("brought the tables from version {from} to {}\n", self.to),
        }
    }
}
