//! Statements as this program writes them, and a connection that runs them. In a text `@.` stands for the schema, `NOW`
//! for the time by the server's clock in microseconds, and `@is(a, b)` for two queues being the same one, asked so that
//! the claim's indexes can answer.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::ClientWrapper;
use futures_core::Stream as _;
use postgres_protocol::escape::escape_identifier;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, SimpleQueryStream, Statement};

use super::fault::fault;
use super::pool::{Pooled, discard};
use crate::error::Result;

/// What a statement is given.
pub(super) type Parameter<'a> = &'a (dyn ToSql + Sync);

/// A statement and the types of what it is given.
#[derive(Clone, Debug)]
pub(super) struct Sql {
    pub(super) text: &'static str,
    pub(super) types: &'static [Type],
}

/// The time of a statement: the server's, or what a test says (`$1`). `clock_timestamp`, for a transaction of the
/// user's may have begun long ago.
const NOW: &str = "(extract(epoch from clock_timestamp()) * 1000000)::int8";

/// The schema as it stands in statements, and the statements that were written out for it.
#[derive(Debug)]
pub(super) struct Dialect {
    quoted: String,
    written: Mutex<HashMap<&'static str, Arc<str>>>,
    /// Whether statements are prepared under names.
    prepare: bool,
    /// Whether locked rows are stepped over.
    skip_locked: bool,
}

impl Dialect {
    pub(super) fn new(schema: &str, prepare: bool, skip_locked: bool) -> Self {
        Self { quoted: escape_identifier(schema), written: Mutex::default(), prepare, skip_locked }
    }

    /// A text with the schema in its place.
    pub(super) fn write(&self, text: &str) -> String {
        let text = compare_queues(text).replace("@.", &format!("{}.", self.quoted)).replace("NOW", NOW);
        if self.skip_locked {
            // A locked row stays where it is, and need not be looked for again.
            text.replace("@key", "ctid").replace("@tid", "ctid")
        } else {
            text.replace("@key", "id").replace("@tid", "NULL").replace("FOR UPDATE SKIP LOCKED", "")
        }
    }

    /// Whether statements may go by where a row stands.
    pub(super) fn goes_by_place(&self) -> bool {
        self.skip_locked
    }

    /// The schema, quoted.
    pub(super) fn schema(&self) -> &str {
        &self.quoted
    }

    fn written(&self, text: &'static str) -> Arc<str> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(written.entry(text).or_insert_with(|| self.write(text).into()))
    }
}

/// The indexes have the queue's hash, which two queues may share.
fn compare_queues(text: &str) -> String {
    let mut parts = text.split("@is(");
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (pair, rest) = part.split_once(')').expect("`@is(a, b)`");
        let (one, other) = pair.split_once(", ").expect("`@is(a, b)`");
        written += &format!("hashtext({one}) = hashtext({other}) AND {one} = {other}{rest}");
    }
    written
}

/// A connection for one piece of work.
#[derive(Debug)]
pub(super) struct Session {
    /// Only its drop leaves nothing.
    pooled: Option<Pooled>,
    dialect: Arc<Dialect>,
    /// A transaction is open: nobody else may get the connection.
    open: AtomicBool,
}

impl Drop for Session {
    fn drop(&mut self) {
        let lost = *self.open.get_mut();
        if let Some(pooled) = self.pooled.take_if(|pooled| lost || pooled.is_closed()) {
            discard(pooled);
        }
    }
}

impl Session {
    pub(super) fn new(pooled: Pooled, dialect: Arc<Dialect>) -> Self {
        Self { pooled: Some(pooled), dialect, open: AtomicBool::new(false) }
    }

    fn client(&self) -> &ClientWrapper {
        self.pooled.as_deref().expect("it is there until the drop")
    }

    /// Does `work` in a transaction. If it is dropped on the way, so is the connection, and with it what was done.
    pub(super) async fn in_transaction<T>(
        &self,
        act: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        // Relaxed: one task works with a session.
        self.open.store(true, Ordering::Relaxed);
        let begun = async {
            self.batch(act, "BEGIN").await?;
            work.await
        };
        let done = begun.await;
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = self.batch(act, end).await;
        if ended.is_ok() {
            self.open.store(false, Ordering::Relaxed);
        }
        let done = done?;
        ended.map(|()| done)
    }

    /// Does `work` in a transaction that is sent in one go: every statement of `work` must be sent when it is first
    /// polled (see [`ready`](Self::ready)). If it is dropped on the way, so is the connection, and with it what was done.
    pub(super) async fn at_once<T>(&self, act: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.open.store(true, Ordering::Relaxed);
        let (begun, done, ended) = tokio::join!(self.batch(act, "BEGIN"), work, self.batch(act, "COMMIT"));
        if ended.is_ok() {
            self.open.store(false, Ordering::Relaxed);
        }
        begun?;
        // Of a transaction that has failed, the commit is a rollback.
        let done = done?;
        ended.map(|()| done)
    }

    /// Prepares a statement, so that the next run of it is sent at once.
    pub(super) async fn ready(&self, sql: &Sql) -> Result<()> {
        if self.dialect.prepare {
            let text = self.dialect.written(sql.text);
            let prepared = self.client().prepare_typed_cached(&text, sql.types).await;
            prepared.map(drop).map_err(|error| fault("prepare a statement", error))?;
        }
        Ok(())
    }

    /// Runs a statement; `act` says what for.
    pub(super) async fn rows(&self, act: &str, sql: &Sql, parameters: &[Parameter<'_>]) -> Result<Vec<Row>> {
        let text = self.dialect.written(sql.text);
        self.run(&text, sql.types, parameters).await.map_err(|error| fault(act, error))
    }

    /// Runs a statement whose text is made for the occasion.
    pub(super) async fn run(
        &self,
        text: &str,
        types: &[Type],
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        debug_assert_eq!(types.len(), parameters.len(), "{text}");
        if self.dialect.prepare {
            let statement: Statement = self.client().prepare_typed_cached(text, types).await?;
            self.client().query(&statement, parameters).await
        } else {
            let typed: Vec<_> = parameters.iter().copied().zip(types.iter().cloned()).collect();
            self.client().query_typed(text, &typed).await
        }
    }

    /// Sends statements, and waits for no answer: what is sent next is answered after it. Never in a transaction.
    pub(super) async fn send(&self, text: &str) -> Result<Answer> {
        debug_assert!(!self.open.load(Ordering::Relaxed), "{text}");
        let sent = self.client().simple_query_raw(text).await;
        sent.map(|answer| Answer(Box::pin(answer))).map_err(|error| fault("send a statement", error))
    }

    /// Runs statements that answer nothing.
    pub(super) async fn batch(&self, act: &str, text: &str) -> Result<()> {
        self.client().batch_execute(text).await.map_err(|error| fault(act, error))
    }
}

/// An answer on its way; it comes whether it is waited for or not.
pub(super) struct Answer(Pin<Box<SimpleQueryStream>>);

impl Answer {
    /// Waits for all of it.
    pub(super) async fn whole(mut self) -> Result<()> {
        while let Some(message) = poll_fn(|context| self.0.as_mut().poll_next(context)).await {
            message.map_err(|error| fault("hear an answer", error))?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_may_have_any_name() {
        let dialect = Dialect::new("a\"; DROP SCHEMA public; --", true, true);
        assert_eq!(dialect.write("DELETE FROM @.task"), "DELETE FROM \"a\"\"; DROP SCHEMA public; --\".task");
    }

    #[test]
    fn queues_are_compared_by_hash_and_name() {
        let text = Dialect::new("s", true, true).write("SELECT WHERE @is(t.queue, $1) AND @is(a, b)");
        let first = "SELECT WHERE hashtext(t.queue) = hashtext($1) AND t.queue = $1";
        assert_eq!(text, format!("{first} AND hashtext(a) = hashtext(b) AND a = b"));
    }

    #[test]
    fn locked_rows_are_stepped_over_only_where_that_is_wanted() {
        let text = "SELECT 1 FROM @.task LIMIT 1 FOR UPDATE SKIP LOCKED";
        assert!(Dialect::new("s", true, true).write(text).ends_with("SKIP LOCKED"));
        assert!(Dialect::new("s", true, false).write(text).trim_end().ends_with("LIMIT 1"));
    }
}
