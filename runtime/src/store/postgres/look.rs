//! Looking at what is there: for tools, which must not make tables, migrate them, or write to them by mistake.

use std::sync::Arc;

use super::base::Base;
use super::doctor::Doctor;
use super::{PostgresOptions, open, schema};
use crate::error::Result;
use crate::queues::QueueConfig;
use crate::store::finding::{Bounds, Finding};
use crate::store::migration::Migration;
use crate::store::{Count, Filter, Inspect, Pending, QueueBook, QueueStats, TaskRecord, WorkerRecord};
use crate::task::TaskId;

/// A store that is only read: the server itself refuses its sessions every write.
#[derive(Debug)]
pub(crate) struct PostgresLook(Arc<Base>);

impl PostgresLook {
    /// Connects to tables that this program knows.
    pub(crate) async fn open(options: &PostgresOptions) -> Result<Self> {
        let base = open::connect(options, open::Access::Read)?;
        let session = base.session().await?;
        let found = schema::find(&base.dialect, &session).await?;
        match found {
            Some(there) if there.serves()? => Ok(Self(base)),
            _ => Err(schema::not_there(found)),
        }
    }
}

impl Inspect for PostgresLook {
    fn get(&self, ids: Vec<TaskId>) -> Pending<'_, Vec<Option<TaskRecord>>> {
        Box::pin(async move { self.0.get(&ids).await })
    }

    fn list(&self, filter: Filter) -> Pending<'_, Vec<TaskRecord>> {
        Box::pin(async move { self.0.list(&filter).await })
    }

    fn counts(&self) -> Pending<'_, Vec<Count>> {
        Box::pin(self.0.counts())
    }

    fn workers(&self) -> Pending<'_, Vec<WorkerRecord>> {
        Box::pin(self.0.workers())
    }
}

impl QueueBook for PostgresLook {
    fn queue_configs(&self) -> Pending<'_, Vec<QueueConfig>> {
        Box::pin(self.0.queue_configs())
    }

    fn queue_stats(&self, queues: Vec<String>) -> Pending<'_, Vec<QueueStats>> {
        Box::pin(async move { self.0.queue_stats(&queues).await })
    }
}

/// What opening the store for work would do to its tables.
pub(crate) async fn migration(options: &PostgresOptions) -> Result<Migration> {
    let base = open::connect(options, open::Access::Read)?;
    let session = base.session().await?;
    let found = schema::find(&base.dialect, &session).await?;
    let from = found.map(|found| found.version);
    let is_done = match found {
        Some(found) => found.serves()?,
        None => false,
    };
    let script = || format!("BEGIN;\n{}COMMIT;\n", schema::script(&base.dialect, from));
    Ok(Migration { from, to: schema::VERSION, sql: (!is_done).then(script) })
}

/// What is wrong with the server and the tables.
pub(crate) async fn examine(options: &PostgresOptions, bounds: Bounds) -> Result<Vec<Finding>> {
    let base = open::connect(options, open::Access::Read)?;
    let line = base.connector.connect().await?;
    let tables = schema::tables();
    Doctor { client: &line.client, settings: &base.settings, bounds, tables: &tables }.examine().await
}

/// Empties a store that nobody has open: what a benchmark leaves behind.
pub(crate) async fn clear(options: &PostgresOptions) -> Result<()> {
    let base = open::connect(options, open::Access::Write)?;
    let session = base.session().await?;
    let text = base.dialect.write(
        "TRUNCATE @.task, @.claim, @.history, @.bundle, @.name, @.cancel, @.queue, @.queue_limit, @.worker",
    );
    session.batch("empty the store", &text).await
}

/// A connection that knows nothing of our tables: what a benchmark compares with.
pub(crate) async fn bare_connection(url: &str) -> Result<tokio_postgres::Client> {
    let base = open::connect(&PostgresOptions::new(url), open::Access::Bare)?;
    let line = base.connector.connect().await?;
    Ok(line.into_parts().0)
}
