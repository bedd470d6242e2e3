//! Your own database with the queue inside it: a task that is added in a transaction exists if and only if that
//! commits.
//!
//! `cargo run --example transaction` makes the file `users.db` in the working folder.

use delay::rusqlite::Connection;
use delay::{BoxError, Context, Handle, Runtime};

const DATABASE: &str = "users.db";

#[delay::func("welcome", queue = "welcome")]
async fn welcome(_ctx: &Context, user: i64, name: &str) {
    println!("Dear {name}, welcome! You are user {user}.");
}

/// Stores a user and enqueues the welcome: both, or neither. (In a plain function: `.insert(&tx)?` for `.add(&tx).await?`.)
async fn sign_up(db: &mut Connection, name: &str) -> Result<Handle<()>, BoxError> {
    let tx = db.transaction()?;
    tx.execute("INSERT INTO user(name) VALUES (?1)", [name])?;
    let welcome = Welcome::call(&tx, tx.last_insert_rowid(), name).await?;
    if name.is_empty() {
        return Err("a user needs a name".into()); // `tx` is dropped, which rolls back
    }
    tx.commit()?;
    Ok(welcome)
}

async fn show(db: &Connection, rt: &Runtime, what: &str) -> Result<(), BoxError> {
    let users: i64 = db.query_row("SELECT count(*) FROM user", [], |row| row.get(0))?;
    let tasks: u64 = rt.client().store().counts().await?.iter().map(|count| count.tasks).sum();
    println!("{what}: {users} users, {tasks} tasks");
    Ok(())
}

#[delay::main]
async fn main() -> Result<(), BoxError> {
    let mut db = Connection::open(DATABASE)?;
    db.execute_batch("CREATE TABLE IF NOT EXISTS user(id INTEGER PRIMARY KEY, name TEXT NOT NULL)")?;
    // `?shared`: that there are other tables is no mistake. Those of the queue begin with `delay_`.
    let rt = Runtime::open(format!("sqlite:{DATABASE}?shared")).await?;
    show(&db, &rt, "at first").await?;

    if let Err(error) = sign_up(&mut db, "").await {
        show(&db, &rt, &format!("rolled back ({error})")).await?;
    }

    let welcome = sign_up(&mut db, "Ada").await?;
    show(&db, &rt, "committed").await?;

    rt.start().await?; // a worker in any process would notice the commit
    rt.handle::<()>(welcome.id()).result().await?; // a handle from a transaction cannot ask; the runtime's can
    Ok(rt.stop().await?)
}
