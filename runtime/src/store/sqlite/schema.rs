//! The tables, and how older ones become newer ones. Every table's name begins with `delay_`, for the file may be
//! somebody's own database.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::fault::fault;
use crate::error::{Error, Kind, Result};

/// One script per version; a database at version `n` has had the first `n`. Never edit one that was released.
const MIGRATIONS: &[&str] = &["
-- Queues by number: keys of integers are found three times as fast as keys of text.
CREATE TABLE delay_queue(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

-- What a task is: written once. Where it stands is in one of the tables below, so that a change of its state moves a
-- few bytes and never its payload. Clustered by time: seq is made from the id (see key.rs), so adding appends, and rows
-- of one batch are neighbours.
CREATE TABLE delay_task(
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  priority INTEGER NOT NULL,
  eta INTEGER NOT NULL,                -- times are microseconds since 1970 UTC
  created INTEGER NOT NULL,
  queue INTEGER NOT NULL,
  name TEXT,
  tag TEXT,
  options BLOB,
  payload BLOB NOT NULL
) STRICT;

-- Where a task stands. It has a row in exactly one of: ready, scheduled, held, done, and run with a worker.
-- The claim walks this one; the eta of a ready task has passed.
CREATE TABLE delay_ready(
  queue INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  eta INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY(queue, priority, eta, seq)
) STRICT, WITHOUT ROWID;
-- Promotion walks this one.
CREATE TABLE delay_scheduled(
  eta INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY(eta, seq)
) STRICT, WITHOUT ROWID;
-- Workers look here for what they may be able to run.
CREATE TABLE delay_held(
  seq INTEGER PRIMARY KEY,
  hold INTEGER NOT NULL                -- why
) STRICT;
-- From a task's first claim to its end: what is known of its attempts. A table of what runs and what was retried, not
-- of all tasks, so taking a dead worker's back can walk it.
CREATE TABLE delay_run(
  seq INTEGER PRIMARY KEY,
  worker INTEGER,                      -- who runs it; null while it waits
  epoch INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  crashes INTEGER NOT NULL DEFAULT 0,
  started INTEGER NOT NULL DEFAULT 0,  -- 1: a task with crashes has begun under this worker
  first_claim INTEGER,
  eta INTEGER,                         -- null: the task's own
  error TEXT
) STRICT;
-- No index on expires: writing one for each task would cost more than the walk that removes them in time.
CREATE TABLE delay_done(
  seq INTEGER PRIMARY KEY,
  state INTEGER NOT NULL,              -- TaskState
  epoch INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  crashes INTEGER NOT NULL,
  finished INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  eta INTEGER,
  error TEXT,
  result BLOB
) STRICT;

-- Tasks whose own key was another's when they were added; nearly always empty.
CREATE TABLE delay_stray(id BLOB NOT NULL PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Names that are taken: by a pending task, or until the tombstone's time.
CREATE TABLE delay_name(
  queue INTEGER NOT NULL,
  name TEXT NOT NULL,
  id BLOB NOT NULL,
  until INTEGER,
  PRIMARY KEY(queue, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX delay_name_until ON delay_name(until) WHERE until IS NOT NULL;

-- Queues that have a configuration. What claims ask it is spelled out; the whole is packed.
CREATE TABLE delay_limit(
  queue INTEGER PRIMARY KEY,           -- its number
  gate INTEGER NOT NULL,               -- who may claim: 0 everybody, 1 whoever names it, 2 nobody
  rate TEXT,                           -- null: no limit
  bucket_size INTEGER NOT NULL,
  concurrent INTEGER NOT NULL,
  tombstone INTEGER NOT NULL,
  retry BLOB,
  tokens REAL NOT NULL,                -- what was in the bucket at that time
  at INTEGER NOT NULL,
  running INTEGER NOT NULL,            -- how many of its tasks run
  config BLOB NOT NULL
) STRICT;

-- AUTOINCREMENT: a worker's number is never used again, or an old worker could pass for a new one.
CREATE TABLE delay_worker(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  enlisted INTEGER NOT NULL,
  lease INTEGER NOT NULL,
  lease_until INTEGER NOT NULL,
  functions TEXT NOT NULL              -- one per line
) STRICT;

-- Running tasks that somebody wants cancelled; nearly always empty.
CREATE TABLE delay_cancel(id BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
", "
-- What programs that were suspended have left for their next attempt; a row of a task that has ended is swept.
CREATE TABLE delay_checkpoint(
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  saved INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;

-- Running tasks that somebody wants suspended; nearly always empty.
CREATE TABLE delay_suspend(seq INTEGER PRIMARY KEY, id BLOB NOT NULL) STRICT;
"];

const META: &str = "CREATE TABLE IF NOT EXISTS delay_meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL)
  STRICT, WITHOUT ROWID";

const SET_VERSION: &str = "INSERT OR REPLACE INTO delay_meta VALUES('schema', ?1)";

/// The version that this code reads and writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The version of the tables in a database; `None` if it has none of ours.
pub(super) fn version(connection: &Connection) -> Result<Option<i64>> {
    let has_meta = connection
        .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'delay_meta'")
        .and_then(|mut statement| statement.exists([]))
        .map_err(|error| fault("read the schema", error))?;
    if !has_meta {
        return Ok(None);
    }
    connection
        .query_row("SELECT value FROM delay_meta WHERE key = 'schema'", [], |row| row.get(0))
        .optional()
        .map_err(|error| fault("read the schema's version", error))
}

/// The names of tables that are not ours.
pub(super) fn foreign_tables(connection: &Connection) -> Result<Vec<String>> {
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table'
                 AND name NOT LIKE 'delay\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    connection
        .prepare(names)
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .map_err(|error| fault("read the schema", error))
}

/// Brings the tables to [`VERSION`], in one transaction; several processes may try at once.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    if version(connection)? == Some(VERSION) {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| fault("begin the migration", error))?;
    // Looked at again under the lock: another process may have been faster.
    let from = version(&transaction)?.unwrap_or(0);
    if from > VERSION {
        return Err(newer(from));
    }
    let migrated = (|| {
        transaction.execute_batch(META)?;
        for script in pending(from) {
            transaction.execute_batch(script)?;
        }
        transaction.execute(SET_VERSION, [VERSION])
    })();
    migrated.map_err(|error| fault("bring the tables up to date", error))?;
    transaction.commit().map_err(|error| fault("commit the migration", error))
}

/// The scripts that a database at `from` still needs.
fn pending(from: i64) -> &'static [&'static str] {
    &MIGRATIONS[usize::try_from(from).unwrap_or(0).min(MIGRATIONS.len())..]
}

/// What [`migrate`] would run on a database at `from`, as one script; nothing if there is nothing to do.
#[cfg(feature = "cli")]
pub(super) fn script(from: Option<i64>) -> Option<String> {
    if from == Some(VERSION) {
        return None;
    }
    let scripts = pending(from.unwrap_or(0)).concat();
    let set_version = SET_VERSION.replace("?1", &VERSION.to_string());
    Some(format!("BEGIN IMMEDIATE;\n{META};\n{scripts}{set_version};\nCOMMIT;\n"))
}

/// The error for tables that a newer version made.
pub(super) fn newer(found: i64) -> Error {
    Error::new(
        Kind::NewerSchema,
        format!(
            "the store has schema version {found}, this program knows version {VERSION} at most: \
             update the `delay-func` dependency of this program, or use another store"
        ),
    )
}
