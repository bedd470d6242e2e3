//! The user's own transaction as an enqueueing context: the tasks exist if and only if it commits (G7).

use rusqlite::{Connection, Transaction};

use super::{fault::fault, push::push, schema};
use crate::call::TaskBuilder;
use crate::client::Added;
use crate::clock::Clock;
use crate::draft::Draft;
use crate::enqueue::{Drafted as _, Enqueue};
use crate::error::{Error, Kind, Result};
use crate::handle::Handle;
use crate::limits::Limits;

/// Adds tasks inside a transaction on the database that holds the queue's tables.
impl Enqueue for &Transaction<'_> {
    async fn enqueue(self, drafts: Vec<Draft>) -> Result<Added> {
        enqueue(self, drafts)
    }
}

/// A transaction that was borrowed mutably will do as well.
impl Enqueue for &mut Transaction<'_> {
    async fn enqueue(self, drafts: Vec<Draft>) -> Result<Added> {
        enqueue(self, drafts)
    }
}

impl<T> TaskBuilder<T> {
    /// Adds the task inside a transaction, without `await`: for code that holds one in a plain function. Workers of
    /// every process notice the commit within 100 ms.
    ///
    /// ```
    /// # use delay::Context;
    /// # #[delay::func("insert-example")]
    /// # async fn welcome(_ctx: &Context, user: i64) {}
    /// fn sign_up(db: &mut delay::rusqlite::Connection, mail: &str) -> Result<(), Box<dyn std::error::Error>> {
    ///     let tx = db.transaction()?;
    ///     tx.execute("INSERT INTO user(mail) VALUES (?1)", [mail])?;
    ///     Welcome::task(tx.last_insert_rowid()).insert(&tx)?;
    ///     tx.commit()?; // both, or neither
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`add`](Self::add), and [`Error::is_no_schema`] if the database does not hold the queue's tables.
    pub fn insert(self, transaction: &Transaction<'_>) -> Result<Handle<T>> {
        let id = self.id();
        let draft = self.into_draft();
        let name = draft.name().map(str::to_owned);
        let added = enqueue(transaction, vec![draft])?;
        let pushed = added.pushed.first().copied();
        let pushed =
            pushed.ok_or_else(|| Error::new(Kind::Other, "the store did not answer for the task"))?;
        added.handle(id, name.as_deref(), pushed)
    }
}

fn enqueue(connection: &Connection, drafts: Vec<Draft>) -> Result<Added> {
    let limits = Limits::default();
    let tasks = drafts.into_iter().map(|draft| draft.check(&limits)).collect::<Result<Vec<_>>>()?;
    check_schema(connection)?;
    // A savepoint: what the user's transaction did before stays, whatever happens here.
    connection.execute_batch("SAVEPOINT delay_push").map_err(|error| fault("begin to add tasks", error))?;
    let pushed = push(connection, &tasks, Clock::System.now());
    let end =
        if pushed.is_ok() { "RELEASE delay_push" } else { "ROLLBACK TO delay_push; RELEASE delay_push" };
    connection.execute_batch(end).map_err(|error| fault("add tasks", error))?;
    Ok(Added { pushed: pushed?, client: None })
}

fn check_schema(connection: &Connection) -> Result<()> {
    match schema::version(connection)? {
        Some(schema::VERSION) => Ok(()),
        Some(newer) if newer > schema::VERSION => Err(schema::newer(newer)),
        _ => {
            let text = "this database does not hold the queue's tables as this program knows them: open a runtime on \
                        it once (`sqlite:FILE?shared`), or run `delay migrate --store sqlite:FILE?shared`";
            Err(Error::new(Kind::NoSchema, text))
        }
    }
}
