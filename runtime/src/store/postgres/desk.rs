//! The queues' part of the port, handed on.

use super::PostgresStore;
use crate::queues::{Change, QueueConfig};
use crate::store::{
    Forgotten, LeaseEnd, LeaseEnded, LeaseOrder, Pending, QueueBook, QueueDesk, QueueEdit, QueueStats,
    TaskRecord,
};

impl QueueBook for PostgresStore {
    fn queue_configs(&self) -> Pending<'_, Vec<QueueConfig>> {
        Box::pin(self.base.queue_configs())
    }

    fn queue_stats(&self, queues: Vec<String>) -> Pending<'_, Vec<QueueStats>> {
        Box::pin(async move { self.base.queue_stats(&queues).await })
    }
}

impl QueueDesk for PostgresStore {
    fn configure(&self, edit: QueueEdit) -> Pending<'_, Vec<Change>> {
        Box::pin(async move { self.base.configure(&edit).await })
    }

    fn lease(&self, order: LeaseOrder) -> Pending<'_, Vec<TaskRecord>> {
        Box::pin(async move { self.base.lease(&order).await })
    }

    fn settle_leases(&self, queue: String, settle: Vec<LeaseEnd>) -> Pending<'_, Vec<LeaseEnded>> {
        Box::pin(async move { self.base.settle_leases(&queue, &settle).await })
    }

    fn forget(&self, queue: String, names: Vec<String>) -> Pending<'_, Vec<Forgotten>> {
        Box::pin(async move { self.base.forget(&queue, &names).await })
    }

    fn purge(&self, queue: String, batch: usize) -> Pending<'_, u64> {
        Box::pin(async move { self.base.purge(&queue, batch).await })
    }
}
