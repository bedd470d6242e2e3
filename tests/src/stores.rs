//! Stores by URL, as helper processes are told of them. Knows the kinds of stores and nothing of what is done with them.

use std::sync::Arc;

use delay::Result;
use delay::store::Store;
use delay::store::postgres::{PostgresOptions, PostgresStore};
use delay::store::sqlite::{SqliteOptions, SqliteStore};

/// Opens the store that a URL names.
///
/// # Errors
/// If it cannot be opened.
pub async fn open_store(url: &str) -> Result<Arc<dyn Store>> {
    Ok(match url.strip_prefix("sqlite:") {
        Some(path) => Arc::new(SqliteStore::open(SqliteOptions::new(path))?),
        None => Arc::new(PostgresStore::open(PostgresOptions::new(url)).await?),
    })
}
