//! Looking at a file that is there: for tools, which must not make a store, migrate one, or write to it by mistake.

use std::sync::Mutex;

use rusqlite::{Connection, OpenFlags};

use super::fault::fault;
use super::readers::Readers;
use super::{SqliteOptions, figures, inspect, open, schema};
use crate::error::{Error, Kind, Result};
use crate::queues::QueueConfig;
use crate::store::migration::Migration;
use crate::store::{Count, Filter, Inspect, Pending, QueueBook, QueueStats, TaskRecord, WorkerRecord};
use crate::task::TaskId;

/// A store that is only read.
#[derive(Debug)]
pub(crate) struct SqliteLook {
    readers: Readers,
    /// Dropped last, and never read: SQLite tidies the journal up when the last connection closes, but only if that
    /// one may write.
    _tidy: Mutex<Connection>,
}

impl SqliteLook {
    /// Opens a file that holds tables of this program's version.
    pub(crate) fn open(options: &SqliteOptions) -> Result<Self> {
        let path = &options.path;
        let connection = connect(options)?;
        let found = schema::version(&connection).map_err(|error| error.at(path))?;
        let refuse = |text: String| Err(Error::new(Kind::NoSchema, text).at(path));
        match found {
            Some(schema::VERSION) => {}
            Some(newer) if newer > schema::VERSION => return Err(schema::newer(newer).at(path)),
            Some(older) => {
                return refuse(format!(
                    "the store has schema version {older}, this program needs version {}: see what would be done \
                     with `delay migrate --dry-run`, then do it with `delay migrate`",
                    schema::VERSION
                ));
            }
            None => {
                let text = "this database has none of delay's tables: check the path, or make them with \
                            `delay migrate` (in another application's database: `sqlite:FILE?shared`)";
                return refuse(text.to_owned());
            }
        }
        Ok(Self { readers: Readers::new(path.clone()), _tidy: Mutex::new(connection) })
    }
}

impl Inspect for SqliteLook {
    fn get(&self, ids: Vec<TaskId>) -> Pending<'_, Vec<Option<TaskRecord>>> {
        self.readers.run(move |connection| inspect::get(connection, &ids))
    }

    fn list(&self, filter: Filter) -> Pending<'_, Vec<TaskRecord>> {
        self.readers.run(move |connection| inspect::list(connection, &filter))
    }

    fn counts(&self) -> Pending<'_, Vec<Count>> {
        self.readers.run(inspect::counts)
    }

    fn workers(&self) -> Pending<'_, Vec<WorkerRecord>> {
        let now = crate::clock::Clock::System.now();
        self.readers.run(move |connection| inspect::workers(connection, now))
    }
}

impl QueueBook for SqliteLook {
    fn queue_configs(&self) -> Pending<'_, Vec<QueueConfig>> {
        self.readers.run(figures::queue_configs)
    }

    fn queue_stats(&self, queues: Vec<String>) -> Pending<'_, Vec<QueueStats>> {
        let now = crate::clock::Clock::System.now();
        self.readers.run(move |connection| figures::queue_stats(connection, &queues, now))
    }
}

/// What opening the store for work would do to its tables. The file need not be there.
pub(crate) fn migration(options: &SqliteOptions) -> Result<Migration> {
    open::check_path(&options.path)?;
    let from = if options.path.exists() {
        let connection = connect(options)?;
        open::inspect(&connection, options)?;
        schema::version(&connection).map_err(|error| error.at(&options.path))?
    } else {
        None
    };
    Ok(Migration { from, to: schema::VERSION, sql: schema::script(from) })
}

/// A connection that makes no file and writes no row.
pub(super) fn connect(options: &SqliteOptions) -> Result<Connection> {
    let path = &options.path;
    open::check_library()?;
    open::check_path(path)?;
    if !path.exists() {
        let shown = path.display();
        let text =
            format!("{shown}: there is no such file: check the path, or make a store with `delay migrate`");
        return Err(Error::new(Kind::Unreadable, text));
    }
    // SQLite itself falls back to reading only if the file may not be written.
    let connection = open::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection
        .execute_batch("PRAGMA query_only = on")
        .map_err(|error| fault("set up the connection", error).at(path))?;
    Ok(connection)
}
