//! The user's own transaction as an enqueueing context: the tasks exist if and only if it commits (G7). What is the same
//! for all drivers; each has a file of its own below `transaction/`.
//!
//! The queue's tables are in the schema `delay` of the database that the transaction is on, or in another one that
//! [`Within`] names. What goes wrong here leaves untouched what the transaction did before: a savepoint sees to that.

use uuid::Uuid;

use super::notify::{added_at, channel};
use super::portion::{Portion, portions};
use super::push::{ADD_QUEUES, ANY, Columns, HOLDER, task_id};
use super::sql::Dialect;
use crate::client::Added;
use crate::draft::Draft;
use crate::error::{Error, Kind, Result};
use crate::limits::Limits;
use crate::store::Pushed;
use crate::task::Task;

#[cfg(feature = "diesel-async")]
mod diesel_async;
#[cfg(feature = "sqlx")]
mod sqlx;
mod tokio_postgres;

/// A transaction, and the schema that the queue's tables are in: for a store that was opened with `?schema=…`.
///
/// ```no_run
/// # use delay::Context;
/// # #[delay::func("within-example")]
/// # async fn welcome(_ctx: &Context, user: i64) {}
/// # async fn sign_up(client: &mut delay::tokio_postgres::Client) -> Result<(), delay::BoxError> {
/// use delay::store::postgres::Within;
///
/// let tx = client.transaction().await?;
/// let row = tx.query_one("INSERT INTO person(mail) VALUES ('ada@example.com') RETURNING id", &[]).await?;
/// Welcome::call(Within::schema("jobs", &tx), row.get(0)).await?;
/// tx.commit().await?; // both, or neither
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Within<'a, T> {
    schema: &'a str,
    transaction: T,
}

impl<'a, T> Within<'a, T> {
    /// A transaction on a database that holds the queue's tables in this schema.
    pub fn schema(schema: &'a str, transaction: T) -> Self {
        Self { schema, transaction }
    }
}

/// The schema of a store whose URL names none.
const DEFAULT: &str = "delay";

/// What a driver has to do: run statements with named parts of what is to be added, in the user's transaction.
trait Driver {
    /// Runs statements that answer nothing.
    async fn batch(&mut self, text: &str) -> Result<()>;

    /// Adds the names of queues that are not known.
    async fn queues(&mut self, text: &str, queues: &[String]) -> Result<()>;

    /// Adds tasks at a time, or now: the place (from 1), the holder and the time of each row of the answer.
    async fn add(
        &mut self,
        text: &str,
        now: Option<i64>,
        columns: &Columns<'_>,
    ) -> Result<Vec<(i64, Option<Uuid>, i64)>>;

    /// Whose a name is.
    async fn holder(&mut self, text: &str, queue: &str, name: &str) -> Result<Option<Uuid>>;

    /// Notifies when the transaction commits.
    async fn notify(&mut self, text: &str, channel: &str, payload: &str) -> Result<()>;
}

async fn enqueue(driver: &mut impl Driver, schema: &str, drafts: Vec<Draft>) -> Result<Added> {
    let limits = Limits::default();
    let tasks = drafts.into_iter().map(|draft| draft.check(&limits)).collect::<Result<Vec<_>>>()?;
    driver.batch("SAVEPOINT delay_push").await?;
    let pushed = add(driver, schema, &tasks).await;
    let end =
        if pushed.is_ok() { "RELEASE delay_push" } else { "ROLLBACK TO delay_push; RELEASE delay_push" };
    let ended = driver.batch(end).await;
    let pushed = pushed?;
    ended.map(|()| Added { pushed, client: None })
}

async fn add(driver: &mut impl Driver, schema: &str, tasks: &[Task]) -> Result<Vec<Pushed>> {
    let dialect = Dialect::new(schema, true, true);
    let mut queues: Vec<String> = tasks.iter().map(|task| task.queue.clone().into_owned()).collect();
    queues.sort_unstable();
    queues.dedup();
    driver.queues(&dialect.write(ADD_QUEUES.text), &queues).await?;
    let mut pushed = vec![Pushed::Added; tasks.len()];
    let mut now = None;
    for Portion { places, tasks } in portions(tasks) {
        let answers = add_portion(driver, &dialect, schema, &mut now, &tasks).await?;
        places.into_iter().zip(answers).for_each(|(place, answer)| pushed[place] = answer);
    }
    Ok(pushed)
}

/// `now`: the time of the first portion, which is that of the others, too.
async fn add_portion(
    driver: &mut impl Driver,
    dialect: &Dialect,
    schema: &str,
    now: &mut Option<i64>,
    tasks: &[&Task],
) -> Result<Vec<Pushed>> {
    let rows = driver.add(&dialect.write(ANY.text), *now, &Columns::of(tasks)).await?;
    let mut pushed = vec![Pushed::Added; tasks.len()];
    for (place, holder, at) in rows {
        let Some(place) = usize::try_from(place - 1).ok().filter(|place| *place < tasks.len()) else {
            *now = Some(at);
            driver.notify("SELECT pg_notify($1, $2)", &channel(schema), &added_at(at)).await?;
            continue;
        };
        let task = tasks[place];
        let name = task.name.as_deref().unwrap_or_default();
        let holder = match holder {
            Some(holder) => Some(holder),
            None => driver.holder(&dialect.write(HOLDER.text), &task.queue, name).await?,
        };
        let holder = holder.map_or(task.id, task_id);
        if holder == task.id {
            let text = format!("whose the name `{name}` is could not be told: try again");
            return Err(Error::about(Kind::Unavailable, task.id, text));
        }
        pushed[place] = Pushed::NameTaken(holder);
    }
    Ok(pushed)
}
