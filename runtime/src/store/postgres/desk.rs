//! The queues' part of the port: interim.

use super::PostgresStore;
use crate::error::{Error, Kind, Result};
use crate::queues::{Change, QueueConfig};
use crate::store::{
    Forgotten, LeaseEnd, LeaseEnded, LeaseOrder, Pending, QueueBook, QueueDesk, QueueEdit, QueueStats,
    TaskRecord,
};

fn not_yet<'a, T: Send + 'a>() -> Pending<'a, T> {
    let answer: Result<T> = Err(Error::new(Kind::Other, "not yet"));
    Box::pin(std::future::ready(answer))
}

impl QueueBook for PostgresStore {
    fn queue_configs(&self) -> Pending<'_, Vec<QueueConfig>> {
        not_yet()
    }

    fn queue_stats(&self, _queues: Vec<String>) -> Pending<'_, Vec<QueueStats>> {
        not_yet()
    }
}

impl QueueDesk for PostgresStore {
    fn configure(&self, _edit: QueueEdit) -> Pending<'_, Vec<Change>> {
        not_yet()
    }

    fn lease(&self, _order: LeaseOrder) -> Pending<'_, Vec<TaskRecord>> {
        not_yet()
    }

    fn settle_leases(&self, _queue: String, _settle: Vec<LeaseEnd>) -> Pending<'_, Vec<LeaseEnded>> {
        not_yet()
    }

    fn forget(&self, _queue: String, _names: Vec<String>) -> Pending<'_, Vec<Forgotten>> {
        not_yet()
    }

    fn purge(&self, _queue: String, _batch: usize) -> Pending<'_, u64> {
        not_yet()
    }
}
