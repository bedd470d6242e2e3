//! SQLite's errors in our words: what was tried, what to do.

use rusqlite::ErrorCode;

use crate::error::{Error, Kind};

/// The error for a failed `act` ("claim tasks").
pub(super) fn fault(act: &str, error: rusqlite::Error) -> Error {
    let (kind, advice) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            (Kind::DiskFull, "the disk is full: make room; what was acknowledged is safe")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            Kind::Unavailable,
            "another process or transaction has kept the file locked: commit it sooner, or try again",
        ),
        Some(ErrorCode::ReadOnly) => {
            (Kind::ReadOnly, "the file or its folder cannot be written: check owner, mode and mount")
        }
        Some(ErrorCode::NotADatabase) => (Kind::Corrupt, "the file is not a SQLite database: check the path"),
        Some(ErrorCode::DatabaseCorrupt) => (
            Kind::Corrupt,
            "the file is damaged: stop all processes, keep a copy, and recover it with `sqlite3 FILE .recover`",
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            (Kind::Unreadable, "the file cannot be opened: check the path, its folder, and permissions")
        }
        _ => (Kind::Other, "SQLite reports an error"),
    };
    Error::with_source(kind, format!("cannot {act}: {advice}"), error)
}

/// The error of every verb once the store is closed.
pub(super) fn closed() -> Error {
    Error::new(Kind::Unavailable, "the store is closed")
}
