//! The queues' part of the port: each verb goes to the writer or to a reader.

use super::writer::Class;
use super::{SqliteStore, figures};
use crate::queues::{Change, QueueConfig};
use crate::store::{
    Forgotten, LeaseEnd, LeaseEnded, LeaseOrder, Pending, QueueBook, QueueDesk, QueueEdit, QueueStats,
    TaskRecord,
};

impl QueueBook for SqliteStore {
    fn queue_configs(&self) -> Pending<'_, Vec<QueueConfig>> {
        self.readers.run(figures::queue_configs)
    }

    fn queue_stats(&self, queues: Vec<String>) -> Pending<'_, Vec<QueueStats>> {
        let now = self.clock.now();
        self.readers.run(move |connection| figures::queue_stats(connection, &queues, now))
    }
}

impl QueueDesk for SqliteStore {
    fn configure(&self, edit: QueueEdit) -> Pending<'_, Vec<Change>> {
        self.writer.run(Class::Settle, move |session| session.configure(&edit))
    }

    fn lease(&self, order: LeaseOrder) -> Pending<'_, Vec<TaskRecord>> {
        // As a claim: if power fails, it is as if it had not been made.
        self.writer.run(Class::Soon, move |session| session.lease(&order))
    }

    fn settle_leases(&self, queue: String, settle: Vec<LeaseEnd>) -> Pending<'_, Vec<LeaseEnded>> {
        self.writer.run(Class::Settle, move |session| session.settle_leases(&queue, &settle))
    }

    fn forget(&self, queue: String, names: Vec<String>) -> Pending<'_, Vec<Forgotten>> {
        self.writer.run(Class::Settle, move |session| {
            names.iter().map(|name| session.forget_named(&queue, name)).collect()
        })
    }

    fn purge(&self, queue: String, batch: usize) -> Pending<'_, u64> {
        self.writer.run(Class::Settle, move |session| session.purge(&queue, batch))
    }
}
