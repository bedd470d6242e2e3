//! PostgreSQL's errors in our words: what was tried, what to do. Nothing here shows how the server was reached.

use tokio_postgres::error::SqlState;

use crate::error::{Error, Kind};

/// The error for a failed `act` ("claim tasks").
pub(super) fn fault(act: &str, error: tokio_postgres::Error) -> Error {
    let code = error.code().cloned();
    fault_with(act, code.as_ref(), error)
}

/// The same for any driver's error, which the server has given this code.
pub(super) fn fault_with(
    act: &str,
    code: Option<&SqlState>,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    let (kind, advice) = advice(code);
    Error::with_source(kind, format!("cannot {act}: {advice}"), error)
}

/// Whether the server has refused what is there already.
pub(super) fn is_unique_violation(error: &Error) -> bool {
    code(error) == Some(&SqlState::UNIQUE_VIOLATION)
}

/// Whether the server was not there to say anything.
pub(super) fn is_away(error: &Error) -> bool {
    error.is_unavailable() && code(error).is_none()
}

/// What the server said.
fn code(error: &Error) -> Option<&SqlState> {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    source.and_then(tokio_postgres::Error::code)
}

fn advice(code: Option<&SqlState>) -> (Kind, &'static str) {
    let Some(code) = code else {
        return (Kind::Unavailable, "the connection to the server was lost; it is tried again");
    };
    match *code {
        SqlState::QUERY_CANCELED => (
            Kind::Unavailable,
            "the server took longer than the statement timeout: look for locks and load, or raise `statement_timeout`",
        ),
        SqlState::LOCK_NOT_AVAILABLE => (
            Kind::Unavailable,
            "somebody holds a lock for long: look for long transactions on the queue's tables",
        ),
        SqlState::T_R_DEADLOCK_DETECTED | SqlState::T_R_SERIALIZATION_FAILURE => {
            (Kind::Unavailable, "another transaction was in the way; trying again helps")
        }
        SqlState::DISK_FULL => {
            (Kind::DiskFull, "the server's disk is full: make room; what was acknowledged is safe")
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => (
            Kind::Unavailable,
            "the server takes no writes: it is a standby, or was made read-only; name the primary, or several hosts",
        ),
        SqlState::UNDEFINED_TABLE | SqlState::INVALID_SCHEMA_NAME | SqlState::UNDEFINED_COLUMN => (
            Kind::NoSchema,
            "the queue's tables are not there as this program knows them: make them with `delay migrate`",
        ),
        SqlState::INSUFFICIENT_PRIVILEGE => {
            (Kind::Unreadable, "the user may not do that: grant it the schema and its tables")
        }
        SqlState::INVALID_CATALOG_NAME => {
            (Kind::Unreadable, "there is no such database: create it, or check its name")
        }
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            (Kind::Unreadable, "the server refuses the user or the password")
        }
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => {
            (Kind::Corrupt, "the server says that its data are damaged: restore them from a backup")
        }
        _ if is_passing(code) => {
            (Kind::Unavailable, "the server is starting, stopping, or has no room for more connections")
        }
        _ => (Kind::Other, "PostgreSQL reports an error"),
    }
}

/// Connection trouble, too little of something, an operator's doing: it passes.
fn is_passing(code: &SqlState) -> bool {
    ["08", "53", "57", "58"].iter().any(|class| code.code().starts_with(class))
}

/// The error of every verb once the store is closed.
pub(super) fn closed() -> Error {
    Error::new(Kind::Unavailable, "the store is closed")
}
