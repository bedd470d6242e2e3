//! From a path to a connection that is fit to write: the file is made private, looked at before it is touched, and its
//! tables brought up to date.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault::fault;
use super::{SqliteOptions, Tenancy, schema};
use crate::error::{Error, Kind, Result};

/// 3.51.3 repairs a WAL-reset bug that could corrupt a file which several processes share.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long a statement waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(10);

/// Opens the file for the writer thread.
pub(super) fn open(options: &SqliteOptions) -> Result<Connection> {
    let path = &options.path;
    check_library()?;
    check_path(path)?;
    create_private(path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    inspect(&connection, options)?;
    // A user's own database keeps its journal mode only if it is WAL already: group commit and readers need WAL.
    let mode =
        switch_to_wal(&connection).map_err(|error| fault("switch the file to WAL mode", error).at(path))?;
    if mode != "wal" {
        let text = format!(
            "{}: the file system does not support SQLite's WAL mode (it gave `{mode}`)",
            path.display()
        );
        return Err(Error::new(Kind::Unreadable, text));
    }
    connection
        .execute_batch("PRAGMA temp_store = memory; PRAGMA cache_size = -32000;")
        .map_err(|error| fault("set up the connection", error).at(path))?;
    connection.set_prepared_statement_cache_capacity(64);
    schema::migrate(&mut connection).map_err(|error| error.at(path))?;
    Ok(connection)
}

/// Opens the file for reading.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

pub(super) fn connect(path: &Path, access: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| fault("open the store", error).at(path))?;
    connection.busy_timeout(BUSY).map_err(|error| fault("set the busy timeout", error))?;
    Ok(connection)
}

/// SQLite does not wait for others by itself here: processes that open a new file at once would fail each other.
fn switch_to_wal(connection: &Connection) -> rusqlite::Result<String> {
    let begin = std::time::Instant::now();
    loop {
        match connection.query_row("PRAGMA journal_mode = wal", [], |row| row.get(0)) {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && begin.elapsed() < BUSY =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            answer => return answer,
        }
    }
}

pub(super) fn check_library() -> Result<()> {
    let version = rusqlite::version_number();
    if version >= OLDEST_SQLITE {
        return Ok(());
    }
    let text = format!(
        "SQLite {} is linked, which can corrupt a WAL file that several processes share: \
         use rusqlite's `bundled` feature, or SQLite 3.51.3 or newer",
        rusqlite::version()
    );
    Err(Error::new(Kind::Other, text))
}

pub(super) fn check_path(path: &Path) -> Result<()> {
    let refuse = |what: String| Err(Error::new(Kind::Unreadable, what));
    if path.as_os_str().is_empty() {
        return refuse("the store URL names no file: write for example `sqlite:jobs.db`".to_owned());
    }
    if path.as_os_str() == ":memory:" {
        return refuse(
            "SQLite's `:memory:` cannot be shared between connections: use the store `memory:`".to_owned(),
        );
    }
    if path.is_dir() {
        return refuse(format!("{} is a directory: name a file in it, such as {0}/jobs.db", path.display()));
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.exists() => {
            refuse(format!("the folder {} does not exist: make it first (`mkdir -p {0}`)", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Payloads may be private: a new file is its owner's alone. SQLite gives `-wal` and `-shm` the same mode.
fn create_private(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = options.open(path).map(drop).or_else(|error| match error.kind() {
        // It is there: can it be written?
        std::io::ErrorKind::AlreadyExists => std::fs::OpenOptions::new().append(true).open(path).map(drop),
        _ => Err(error),
    });
    made.map_err(|error| {
        let path = path.display();
        let (kind, text) = match error.kind() {
            std::io::ErrorKind::ReadOnlyFilesystem => (
                Kind::ReadOnly,
                format!("{path} is on a file system that is mounted read-only: use another place"),
            ),
            std::io::ErrorKind::PermissionDenied if std::fs::File::open(path.to_string()).is_ok() => {
                (Kind::ReadOnly, format!("{path} may be read but not written: check its owner and mode"))
            }
            std::io::ErrorKind::StorageFull => {
                (Kind::DiskFull, format!("cannot make the store file {path}: the disk is full: make room"))
            }
            _ => (
                Kind::Unreadable,
                format!("cannot open the store file {path}: check it and its folder's permissions"),
            ),
        };
        Error::with_source(kind, text, error)
    })
}

/// Whose database is it? Looked at before anything is written.
pub(super) fn inspect(connection: &Connection, options: &SqliteOptions) -> Result<()> {
    let path = &options.path;
    let foreign = schema::foreign_tables(connection).map_err(|error| error.at(path))?;
    match schema::version(connection).map_err(|error| error.at(path))? {
        Some(found) if found > schema::VERSION => Err(schema::newer(found).at(path)),
        Some(_) => Ok(()),
        None if foreign.is_empty() || options.tenancy == Tenancy::Shared => Ok(()),
        None => {
            let path = path.display();
            let more = if foreign.len() > 3 { ", …" } else { "" };
            let tables = foreign[..foreign.len().min(3)].join(", ");
            let text = format!(
                "{path} is another application's database (it has the tables {tables}{more}): name another file, \
                 or, to keep the queue inside it on purpose, open `sqlite:{path}?shared`"
            );
            Err(Error::new(Kind::ForeignDatabase, text))
        }
    }
}

impl Error {
    /// The same error, naming the file.
    pub(super) fn at(self, path: &Path) -> Self {
        let text = format!("{}: {self}", path.display());
        match std::error::Error::source(&self) {
            Some(source) => Self::with_source(self.kind(), text, source.to_string()),
            None => Self::new(self.kind(), text),
        }
    }
}
