//! `delay doctor` for SQLite: who can read the file, how it keeps its promises, and whether there is room. It only reads.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::fault::fault;
use super::{Durability, SqliteOptions, look, schema};
use crate::error::Result;
use crate::store::finding::Finding;

/// A log beyond this means that somebody has been reading for long: it cannot be begun anew.
const LONG_LOG: u64 = 64 << 20;

/// Less room than this is soon used up.
const LITTLE_ROOM: u64 = 512 << 20;

/// Fewer free pages are not worth giving back.
const MUCH_FREE: i64 = 64 << 20;

/// All that is found.
pub(crate) fn examine(options: &SqliteOptions) -> Result<Vec<Finding>> {
    let path = &options.path;
    let connection = look::connect(options)?;
    let found = [
        version(&connection)?,
        journal(&connection)?,
        mode(path),
        log(path),
        room(path),
        free_pages(&connection, path)?,
        durability(options.durability),
    ];
    Ok(found.into_iter().flatten().collect())
}

fn version(connection: &Connection) -> Result<Option<Finding>> {
    let found = schema::version(connection)?;
    Ok((found != Some(schema::VERSION)).then(|| {
        Finding::trouble(
            "tables",
            match found {
                Some(found) => format!("the tables have version {found}, this program knows {}", schema::VERSION),
                None => "there are none of delay's tables".to_owned(),
            },
            "this program cannot work with them as they are",
            "see what would be done with `delay migrate --dry-run`, then do it with `delay migrate`; for newer tables, \
             use the newer program",
        )
    }))
}

fn journal(connection: &Connection) -> Result<Option<Finding>> {
    let mode = pragma::<String>(connection, "journal_mode")?;
    Ok((mode != "wal").then(|| {
        Finding::trouble(
            "journal",
            format!("the file's journal mode is `{mode}`"),
            "readers and the writer stand in each other's way, and every commit costs more",
            "open the store with a worker, which switches it to WAL; if it does not stay, another program changes it",
        )
    }))
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        Finding::trouble(
            "file-mode",
            format!("the file has mode {mode:o}"),
            "other users of this machine can read what the tasks carry, or change it",
            format!("chmod 600 {0} {0}-wal {0}-shm, unless others are meant to", path.display()),
        )
    })
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<Finding> {
    None
}

fn log(path: &Path) -> Option<Finding> {
    let size = std::fs::metadata(beside(path, "-wal")).ok()?.len();
    (size > LONG_LOG).then(|| {
        Finding::trouble(
            "wal",
            format!("the write-ahead log is {} MiB long", size >> 20),
            "somebody has been reading for long, or a program died while it did: the log grows until they are gone, and \
             reads get slower with it",
            "find who has the file open (`fuser -v`), end their transaction, and run: PRAGMA wal_checkpoint(TRUNCATE)",
        )
    })
}

#[cfg(unix)]
fn room(path: &Path) -> Option<Finding> {
    let found = rustix::fs::statvfs(path).ok()?;
    little_room(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn room(_: &Path) -> Option<Finding> {
    None
}

fn little_room(free: u64) -> Option<Finding> {
    (free < LITTLE_ROOM).then(|| {
        Finding::trouble(
            "disk",
            format!("the file's disk has {} MiB left", free >> 20),
            "when it is full no task can be added, and in the end none can be finished",
            "make room, or move the store",
        )
    })
}

fn free_pages(connection: &Connection, path: &Path) -> Result<Option<Finding>> {
    let (free, all) =
        (pragma::<i64>(connection, "freelist_count")?, pragma::<i64>(connection, "page_count")?);
    let bytes = free.saturating_mul(pragma(connection, "page_size")?);
    Ok((bytes > MUCH_FREE && free > all / 2).then(|| {
        Finding::note(
            "free-pages",
            format!("{} MiB of the file are empty", bytes >> 20),
            "they are used again before the file grows; until then they only take disk",
            format!("nothing; or, with all workers stopped: sqlite3 {} VACUUM", path.display()),
        )
    }))
}

fn durability(durability: Durability) -> Option<Finding> {
    (durability == Durability::Process).then(|| {
        Finding::note(
            "durability",
            "the store is named with `durability=process`",
            "what was acknowledged in the last moments before a loss of power may be gone",
            "nothing, if it is meant so; else leave the option out",
        )
    })
}

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> Result<T> {
    connection
        .query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
        .map_err(|error| fault("look at the file", error))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_too_full_before_it_is_full() {
        assert_eq!(little_room(1 << 30), None);
        assert!(little_room(100 << 20).unwrap().what.contains("100 MiB"));
    }
}
