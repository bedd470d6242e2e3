//! Queues by their numbers. A queue gets one when its first task is added, and keeps it.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _};

/// The numbers that are known here. What a transaction added and rolled back must be forgotten.
#[derive(Debug, Default)]
pub(super) struct QueueNumbers(HashMap<String, i64>);

impl QueueNumbers {
    /// The queue's number, if it has one.
    pub(super) fn find(&mut self, connection: &Connection, queue: &str) -> rusqlite::Result<Option<i64>> {
        if let Some(number) = self.0.get(queue) {
            return Ok(Some(*number));
        }
        let found: Option<i64> = connection
            .prepare_cached("SELECT number FROM delay_queue WHERE name = ?1")?
            .query_row([queue], |row| row.get(0))
            .optional()?;
        if let Some(number) = found {
            self.0.insert(queue.to_owned(), number);
        }
        Ok(found)
    }

    /// The queue's number; it gets one if it has none.
    pub(super) fn number(&mut self, connection: &Connection, queue: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.find(connection, queue)? {
            return Ok(number);
        }
        connection.prepare_cached("INSERT INTO delay_queue(name) VALUES (?1)")?.execute([queue])?;
        let number = connection.last_insert_rowid();
        self.0.insert(queue.to_owned(), number);
        Ok(number)
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
