//! The tables, and how older ones become newer ones.
//!
//! The rule for programs of different versions on one schema: a schema says which version it has, and the oldest program
//! that can work with it (`compatible`). A program works with any schema that counts it as compatible, and brings older
//! ones up to date. So migrations add, and a program that is one version behind goes on working while others are
//! replaced; none rewrites a table that may be large.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::base::Base;
use super::sql::{Dialect, Session, Sql};
use crate::error::{Error, Kind, Result};

/// One version's way from the one before.
struct Step {
    sql: &'static str,
    /// The oldest program version that can work with what this makes.
    compatible: i64,
}

/// A schema at version `n` has had the first `n`. Never edit one that was released.
const STEPS: &[Step] = &[
    Step { sql: include_str!("schema/1.sql"), compatible: 1 },
    // Programs that do not know of checkpoints neither write nor miss them.
    Step { sql: include_str!("schema/2.sql"), compatible: 1 },
];

/// The version that this program makes.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// What a schema says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) version: i64,
    compatible: i64,
}

const HAS_META: Sql = Sql { text: "SELECT to_regclass($1) IS NOT NULL", types: &[Type::TEXT] };

const META: Sql = Sql {
    text: "SELECT max(value) FILTER (WHERE key = 'schema'), max(value) FILTER (WHERE key = 'compatible') FROM @.meta",
    types: &[],
};

const ALONE: Sql = Sql { text: "SELECT pg_advisory_xact_lock(hashtext($1), 0)", types: &[Type::TEXT] };

/// A lock that is waited for makes others wait behind it: not for long, and then again.
const LIMIT: &str = "SET LOCAL lock_timeout = '1s'; SET LOCAL client_min_messages = warning";
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(200);

/// What is there; nothing if there are no tables.
pub(super) async fn find(dialect: &Dialect, session: &Session) -> Result<Option<Found>> {
    let meta = dialect.write("@.meta");
    let rows = session.rows("read the schema", &HAS_META, &[&meta]).await?;
    if !rows.first().is_some_and(|row| row.get(0)) {
        return Ok(None);
    }
    let rows = session.rows("read the schema's version", &META, &[]).await?;
    let row = rows.first().map(|row| (row.get::<_, Option<i64>>(0), row.get::<_, Option<i64>>(1)));
    Ok(row.and_then(|(version, compatible)| Some(Found { version: version?, compatible: compatible? })))
}

impl Found {
    /// Whether this program can work with it as it is.
    ///
    /// # Errors
    /// If it is too new.
    pub(super) fn serves(self) -> Result<bool> {
        if self.version >= VERSION && self.compatible > VERSION {
            return Err(newer(self));
        }
        Ok(self.version >= VERSION)
    }
}

/// Brings the tables up to date, in one transaction. Any number of processes may try at once.
pub(super) async fn migrate(base: &Base) -> Result<()> {
    let mut tries = 0;
    loop {
        tries += 1;
        let session = base.session().await?;
        if let Some(found) = find(&base.dialect, &session).await?
            && found.serves()?
        {
            return Ok(());
        }
        let error = match session.in_transaction("bring the tables up to date", step(base, &session)).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if tries == TRIES || !may_pass(&error) {
            return Err(error);
        }
        tracing::info!(error = error.chain(), "the tables are not up to date yet; trying again");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn step(base: &Base, session: &Session) -> Result<()> {
    session.batch("set a limit", LIMIT).await?;
    if base.settings.advisory_locks {
        session.rows("lock the schema", &ALONE, &[&base.dialect.schema()]).await?;
    }
    // Looked at again under the lock: another process may have been faster.
    let found = find(&base.dialect, session).await?;
    if let Some(found) = found
        && found.serves()?
    {
        return Ok(());
    }
    session
        .batch("bring the tables up to date", &script(&base.dialect, found.map(|found| found.version)))
        .await
}

/// What [`migrate`] runs on tables of version `from`.
pub(super) fn script(dialect: &Dialect, from: Option<i64>) -> String {
    let done = usize::try_from(from.unwrap_or(0)).unwrap_or(0);
    let mut text = if done == 0 {
        format!("CREATE SCHEMA IF NOT EXISTS {};\n", dialect.schema())
    } else {
        String::new()
    };
    for step in STEPS.iter().skip(done) {
        text.push_str(step.sql);
    }
    if let Some(last) = STEPS.last() {
        text.push_str(&format!(
            "INSERT INTO @.meta VALUES ('schema', {VERSION}), ('compatible', {})\n  \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value;\n",
            last.compatible
        ));
    }
    dialect.write(&text)
}

/// The SQL that makes the tables, `@.` for the schema.
#[cfg(feature = "cli")]
pub(super) fn tables() -> String {
    STEPS.iter().map(|step| step.sql).collect()
}

/// Somebody holds a lock, or made the same tables at the same moment.
fn may_pass(error: &Error) -> bool {
    let code = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<tokio_postgres::Error>())
        .and_then(tokio_postgres::Error::code);
    let passing = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_OBJECT,
        SqlState::DUPLICATE_SCHEMA,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    code.is_some_and(|code| passing.contains(code))
}

fn newer(found: Found) -> Error {
    Error::new(
        Kind::NewerSchema,
        format!(
            "the store has schema version {}, which needs a program of version {} at least; this one has version \
             {VERSION}: update the `delay-func` dependency of this program, or use another schema (`?schema=…`)",
            found.version, found.compatible
        ),
    )
}

#[cfg(feature = "cli")]
/// What a tool or a transaction learns that finds no tables as it knows them.
pub(super) fn not_there(found: Option<Found>) -> Error {
    let what = match found {
        Some(found) => format!("has version {} and this program needs {VERSION}", found.version),
        None => "is not there".to_owned(),
    };
    let text = format!(
        "the schema of the queue's tables {what}: see what would be done with `delay migrate --dry-run`, then do it with \
         `delay migrate`"
    );
    Error::new(Kind::NoSchema, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_serves_if_it_says_so() {
        assert!(Found { version: VERSION, compatible: VERSION }.serves().unwrap());
        assert!(Found { version: VERSION + 1, compatible: VERSION }.serves().unwrap());
        assert!(!Found { version: VERSION - 1, compatible: 1 }.serves().unwrap());
        assert!(
            Found { version: VERSION + 1, compatible: VERSION + 1 }.serves().unwrap_err().is_newer_schema()
        );
    }

    #[test]
    fn the_script_begins_with_the_schema_and_ends_with_the_version() {
        let script = script(&Dialect::new("jobs", true, true), None);
        assert!(script.starts_with("CREATE SCHEMA IF NOT EXISTS \"jobs\""));
        assert!(!script.contains("@."));
        assert!(script.trim_end().ends_with("excluded.value;"));
    }
}
