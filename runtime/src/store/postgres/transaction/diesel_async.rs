//! Transactions of `diesel-async` on PostgreSQL (feature `diesel-async`): the connection that a transaction's closure gets.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::{Array, BigInt, Binary, Nullable, SmallInt, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension as _, QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use super::{Columns, DEFAULT, Driver, Within, enqueue};
use crate::client::Added;
use crate::draft::Draft;
use crate::enqueue::Enqueue;
use crate::error::{Error, Result};
use crate::store::postgres::fault::fault_with;

/// Adds tasks inside an open transaction on the database that holds the queue's tables, in the schema `delay`. Without an
/// open transaction the server refuses.
///
/// ```no_run
/// # use delay::Context;
/// # #[delay::func("diesel-example")]
/// # async fn welcome(_ctx: &Context, user: i64) {}
/// # async fn sign_up(db: &mut delay::diesel_async::AsyncPgConnection) -> Result<(), delay::BoxError> {
/// use delay::diesel_async::{AsyncConnection as _, SimpleAsyncConnection as _};
///
/// db.transaction(async |tx| {
///     tx.batch_execute("INSERT INTO person(id) VALUES (7)").await?;
///     Welcome::call(tx, 7).await?;
///     Ok::<_, delay::BoxError>(())
/// })
/// .await // both, or neither
/// # }
/// ```
impl Enqueue for &mut AsyncPgConnection {
    async fn enqueue(mut self, drafts: Vec<Draft>) -> Result<Added> {
        enqueue(&mut self, DEFAULT, drafts).await
    }
}

/// In another schema.
impl Enqueue for Within<'_, &mut AsyncPgConnection> {
    async fn enqueue(mut self, drafts: Vec<Draft>) -> Result<Added> {
        enqueue(&mut self.transaction, self.schema, drafts).await
    }
}

/// Diesel tells kinds of errors, not all of the server's codes.
fn fault(act: &str, error: DieselError) -> Error {
    let code = match &error {
        DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, _) => None,
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => {
            Some(SqlState::T_R_SERIALIZATION_FAILURE)
        }
        DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => {
            Some(SqlState::READ_ONLY_SQL_TRANSACTION)
        }
        DieselError::DatabaseError(_, said) if said.message().contains("does not exist") => {
            Some(SqlState::UNDEFINED_TABLE)
        }
        _ => Some(SqlState::INTERNAL_ERROR),
    };
    fault_with(act, code.as_ref(), error)
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = BigInt)]
    nr: i64,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    holder: Option<Uuid>,
    #[diesel(sql_type = BigInt)]
    now: i64,
}

#[derive(QueryableByName)]
struct Holder {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

impl Driver for &mut AsyncPgConnection {
    async fn batch(&mut self, text: &str) -> Result<()> {
        self.batch_execute(text).await.map_err(|error| fault("add tasks", error))
    }

    async fn queues(&mut self, text: &str, queues: &[String]) -> Result<()> {
        let sent = sql_query(text).bind::<Array<Text>, _>(queues).execute(*self).await;
        sent.map(drop).map_err(|error| fault("make queues known", error))
    }

    async fn add(
        &mut self,
        text: &str,
        now: Option<i64>,
        columns: &Columns<'_>,
    ) -> Result<Vec<(i64, Option<Uuid>, i64)>> {
        let tags: Vec<Option<&str>> = columns.tags.iter().map(Option::as_deref).collect();
        let rows: Vec<Answer> = sql_query(text)
            .bind::<Nullable<BigInt>, _>(now)
            .bind::<Array<SqlUuid>, _>(&columns.ids)
            .bind::<Array<Text>, _>(&columns.queues)
            .bind::<Array<Nullable<Text>>, _>(&columns.names)
            .bind::<Array<Nullable<Text>>, _>(&tags)
            .bind::<Array<SmallInt>, _>(&columns.priorities)
            .bind::<Array<Nullable<BigInt>>, _>(&columns.waits)
            .bind::<Array<Nullable<BigInt>>, _>(&columns.times)
            .bind::<Array<Nullable<Binary>>, _>(&columns.options)
            .bind::<Array<Binary>, _>(&columns.payloads)
            .load(*self)
            .await
            .map_err(|error| fault("add tasks", error))?;
        Ok(rows.into_iter().map(|Answer { nr, holder, now }| (nr, holder, now)).collect())
    }

    async fn holder(&mut self, text: &str, queue: &str, name: &str) -> Result<Option<Uuid>> {
        let found =
            sql_query(text).bind::<Text, _>(queue).bind::<Text, _>(name).get_result::<Holder>(*self).await;
        let found = found.optional().map_err(|error| fault("look whose a name is", error))?;
        Ok(found.map(|Holder { id }| id))
    }

    async fn notify(&mut self, text: &str, channel: &str, payload: &str) -> Result<()> {
        let sent = sql_query(text).bind::<Text, _>(channel).bind::<Text, _>(payload).execute(*self).await;
        sent.map(drop).map_err(|error| fault("notify workers", error))
    }
}
