//! Transactions of `tokio-postgres`, and of the pools that are built on it.

use tokio_postgres::Transaction;
use uuid::Uuid;

use super::{Columns, DEFAULT, Driver, Within, enqueue};
use crate::client::Added;
use crate::draft::Draft;
use crate::enqueue::Enqueue;
use crate::error::Result;
use crate::store::postgres::fault::fault;
use crate::store::postgres::push::ANY;

/// Adds tasks inside a transaction on the database that holds the queue's tables, in the schema `delay`.
impl Enqueue for &Transaction<'_> {
    async fn enqueue(self, drafts: Vec<Draft>) -> Result<Added> {
        enqueue(&mut { self }, DEFAULT, drafts).await
    }
}

/// A transaction that was borrowed mutably will do as well.
impl Enqueue for &mut Transaction<'_> {
    async fn enqueue(self, drafts: Vec<Draft>) -> Result<Added> {
        enqueue(&mut &*self, DEFAULT, drafts).await
    }
}

/// In another schema.
impl Enqueue for Within<'_, &Transaction<'_>> {
    async fn enqueue(mut self, drafts: Vec<Draft>) -> Result<Added> {
        enqueue(&mut self.transaction, self.schema, drafts).await
    }
}

/// In another schema.
impl Enqueue for Within<'_, &mut Transaction<'_>> {
    async fn enqueue(self, drafts: Vec<Draft>) -> Result<Added> {
        enqueue(&mut &*self.transaction, self.schema, drafts).await
    }
}

impl Driver for &Transaction<'_> {
    async fn batch(&mut self, text: &str) -> Result<()> {
        self.batch_execute(text).await.map_err(|error| fault("add tasks", error))
    }

    async fn queues(&mut self, text: &str, queues: &[String]) -> Result<()> {
        self.query(text, &[&queues]).await.map(drop).map_err(|error| fault("make queues known", error))
    }

    async fn add(
        &mut self,
        text: &str,
        now: Option<i64>,
        columns: &Columns<'_>,
    ) -> Result<Vec<(i64, Option<Uuid>, i64)>> {
        let parameters = columns.parameters(&now);
        let typed: Vec<_> = parameters.into_iter().zip(ANY.types.iter().cloned()).collect();
        let rows = self.query_typed(text, &typed).await.map_err(|error| fault("add tasks", error))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }

    async fn holder(&mut self, text: &str, queue: &str, name: &str) -> Result<Option<Uuid>> {
        let rows =
            self.query(text, &[&queue, &name]).await.map_err(|error| fault("look whose a name is", error))?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    async fn notify(&mut self, text: &str, channel: &str, payload: &str) -> Result<()> {
        let sent = self.query(text, &[&channel, &payload]).await;
        sent.map(drop).map_err(|error| fault("notify workers", error))
    }
}
