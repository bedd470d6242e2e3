//! Connections that read beside the writer: made when needed, kept for the next caller.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::fault::closed;
use super::open::open_reader;
use crate::error::{Error, Kind, Result};
use crate::store::Pending;

/// More than this many idle connections are closed: each holds a page cache.
const KEPT: usize = 4;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    /// `None` once the store is closed.
    idle: Arc<Mutex<Option<Vec<Connection>>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Arc::new(Mutex::new(Some(Vec::new()))) }
    }

    /// Closes what is idle: the last connection to close must be the writer's, for only it can tidy up the journal.
    pub(super) fn close(&self) {
        drop(self.idle.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Runs `read` on the blocking pool with a connection of its own.
    pub(super) fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Pending<'_, T> {
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        Box::pin(async move {
            let reading = tokio::task::spawn_blocking(move || {
                let kept = match &mut *idle.lock().unwrap_or_else(PoisonError::into_inner) {
                    Some(idle) => idle.pop(),
                    None => return Err(closed()),
                };
                let connection = kept.map_or_else(|| open_reader(&path), Ok)?;
                let value = read(&connection);
                let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(idle) = idle.as_mut().filter(|idle| idle.len() < KEPT) {
                    idle.push(connection);
                }
                value
            });
            reading
                .await
                .map_err(|error| Error::with_source(Kind::Other, "the reader of the store died", error))?
        })
    }
}
