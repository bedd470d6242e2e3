//! What bringing a store's tables up to date takes: what `delay migrate` shows before it does it.

/// The way from the tables that a store has to the ones that this program knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Migration {
    /// The version of the tables; none if there are none.
    pub(crate) from: Option<i64>,
    /// The version that this program reads and writes.
    pub(crate) to: i64,
    /// The SQL that would run; none if the tables are up to date.
    pub(crate) sql: Option<String>,
}
