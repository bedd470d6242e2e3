//! Transactions of `sqlx` on PostgreSQL (feature `sqlx`).

use sqlx::postgres::{PgRow, Postgres};
use sqlx::{AssertSqlSafe, Row, Transaction};
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use super::{Columns, DEFAULT, Driver, Within, enqueue};
use crate::client::Added;
use crate::draft::Draft;
use crate::enqueue::Enqueue;
use crate::error::{Error, Result};
use crate::store::postgres::fault::fault_with;

/// Adds tasks inside a transaction on the database that holds the queue's tables, in the schema `delay`.
///
/// ```no_run
/// # use delay::Context;
/// # #[delay::func("sqlx-example")]
/// # async fn welcome(_ctx: &Context, user: i64) {}
/// # async fn sign_up(pool: &delay::sqlx::PgPool) -> Result<(), delay::BoxError> {
/// let mut tx = pool.begin().await?;
/// delay::sqlx::query("INSERT INTO person(id) VALUES (7)").execute(&mut *tx).await?;
/// Welcome::call(&mut tx, 7).await?;
/// tx.commit().await?; // both, or neither
/// # Ok(()) }
/// ```
impl Enqueue for &mut Transaction<'_, Postgres> {
    async fn enqueue(mut self, drafts: Vec<Draft>) -> Result<Added> {
        enqueue(&mut self, DEFAULT, drafts).await
    }
}

/// In another schema.
impl Enqueue for Within<'_, &mut Transaction<'_, Postgres>> {
    async fn enqueue(mut self, drafts: Vec<Draft>) -> Result<Added> {
        enqueue(&mut self.transaction, self.schema, drafts).await
    }
}

fn fault(act: &str, error: sqlx::Error) -> Error {
    let code =
        error.as_database_error().and_then(|error| error.code()).map(|code| SqlState::from_code(&code));
    fault_with(act, code.as_ref(), error)
}

/// Our own texts, in which nothing of a user's stands but the schema, quoted.
fn ours(text: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(text.to_owned())
}

impl Driver for &mut Transaction<'_, Postgres> {
    async fn batch(&mut self, text: &str) -> Result<()> {
        let sent = sqlx::raw_sql(ours(text)).execute(&mut ***self).await;
        sent.map(drop).map_err(|error| fault("add tasks", error))
    }

    async fn queues(&mut self, text: &str, queues: &[String]) -> Result<()> {
        let sent = sqlx::query(ours(text)).bind(queues).execute(&mut ***self).await;
        sent.map(drop).map_err(|error| fault("make queues known", error))
    }

    async fn add(
        &mut self,
        text: &str,
        now: Option<i64>,
        columns: &Columns<'_>,
    ) -> Result<Vec<(i64, Option<Uuid>, i64)>> {
        let tags: Vec<Option<&str>> = columns.tags.iter().map(Option::as_deref).collect();
        let rows = sqlx::query(ours(text))
            .bind(now)
            .bind(&columns.ids)
            .bind(&columns.queues)
            .bind(&columns.names)
            .bind(&tags)
            .bind(&columns.priorities)
            .bind(&columns.waits)
            .bind(&columns.times)
            .bind(&columns.options)
            .bind(&columns.payloads)
            .fetch_all(&mut ***self)
            .await
            .map_err(|error| fault("add tasks", error))?;
        let read = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| fault("add tasks", error))
    }

    async fn holder(&mut self, text: &str, queue: &str, name: &str) -> Result<Option<Uuid>> {
        let found = sqlx::query_scalar(ours(text)).bind(queue).bind(name).fetch_optional(&mut ***self).await;
        found.map_err(|error| fault("look whose a name is", error))
    }

    async fn notify(&mut self, text: &str, channel: &str, payload: &str) -> Result<()> {
        let sent = sqlx::query(ours(text)).bind(channel).bind(payload).execute(&mut ***self).await;
        sent.map(drop).map_err(|error| fault("notify workers", error))
    }
}
