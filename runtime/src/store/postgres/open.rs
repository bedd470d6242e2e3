//! Opening: the words of the URL, the beginning of each session, the check of what the durability promises, the tables.

use std::sync::Arc;

use tokio_postgres::types::Type;

use super::PostgresOptions;
use super::base::Base;
use super::connect::Connector;
use super::settings::{Durability, Settings};
use super::sql::Sql;
use super::words::Words;
use super::{partitions, schema};
use crate::error::{Error, Kind, Result};

/// Plans are made once and must not depend on what the tables held at that moment: they walk indexes, row by row.
const PLANS: &str = "SET jit = off; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off;";

/// Nothing of ours is ever idle in a transaction, unless the process hangs; then others need not wait for it.
const HANGING: &str = "SET idle_in_transaction_session_timeout = '10s';";

const STANDBYS: Sql =
    Sql { text: "SELECT current_setting('synchronous_standby_names')", types: &[] as &[Type] };

/// Connects, checks, migrates.
pub(super) async fn open(options: &PostgresOptions) -> Result<Arc<Base>> {
    let base = connect(options, Access::Write)?;
    check(&base).await?;
    schema::migrate(&base).await?;
    let session = base.session().await?;
    let now = base.server_now(&session).await?;
    partitions::tend(&base, &session, now).await;
    drop(session);
    Ok(base)
}

/// What sessions may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), allow(dead_code))] // only the tools look
pub(super) enum Access {
    Read,
    Write,
    /// Anything, as the server is configured.
    Bare,
}

/// What [`open`] connects with; no statement is sent.
pub(super) fn connect(options: &PostgresOptions, access: Access) -> Result<Arc<Base>> {
    let words = Words::parse(&options.url, &|name| std::env::var(name).ok())?;
    let settings = Settings::read(&words)?;
    let connector = Connector::new(&words, session(&settings, access))?;
    Ok(Arc::new(Base::new(connector, settings, options.retention, options.clock.clone())))
}

/// What each session begins with.
fn session(settings: &Settings, access: Access) -> String {
    let timeout = settings.statement_timeout.as_millis();
    let begin = format!("{HANGING} SET statement_timeout = {timeout};");
    match access {
        // What people ask for is planned for what the tables hold.
        Access::Read => format!("{begin} SET default_transaction_read_only = on;"),
        Access::Bare => durability(settings.durability).to_owned(),
        Access::Write => format!("{begin} {PLANS} {}", durability(settings.durability)),
    }
}

/// What the server is configured for is never lowered, unless that was asked for.
fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Process => "SET synchronous_commit = off;",
        Durability::Disk => {
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';"
        }
        Durability::Replicated => {
            "SELECT set_config('synchronous_commit', 'on', false)
                WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');"
        }
    }
}

async fn check(base: &Base) -> Result<()> {
    if base.settings.durability == Durability::Process {
        tracing::warn!(
            "durability is `process`: tasks survive the death of processes, but the last moments before the server loses \
             power may be lost"
        );
    }
    check_standby(base).await
}

/// Whether the server that takes writes now can keep what `replicated` promises.
pub(super) async fn check_standby(base: &Base) -> Result<()> {
    if base.settings.durability != Durability::Replicated {
        return Ok(());
    }
    let session = base.session().await?;
    let rows = session.rows("look for standbys", &STANDBYS, &[]).await?;
    if rows.first().is_none_or(|row| row.get::<_, String>(0).is_empty()) {
        let text = "`durability=replicated` needs a synchronous standby, and the server has none: set its \
                    `synchronous_standby_names`, or use `durability=disk`";
        return Err(Error::new(Kind::InvalidOption, text));
    }
    Ok(())
}
