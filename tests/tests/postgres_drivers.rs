//! Tasks added in the transactions of sqlx and of diesel-async: they exist if and only if these commit, and nothing that
//! goes wrong with them touches what the transaction did before.

use delay::diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use delay::sqlx::{Connection as _, Executor as _, PgConnection};
use delay::store::postgres::Within;
use delay::{BoxError, Client, Context, Enqueue as _, Error, Runtime};
use delay_tests::postgres::{Schema, shared_url};
use delay_tests::soon;

#[delay::func("welcome-by-driver", keep_result = "1h")]
async fn welcome(_ctx: &Context, user: i64) -> String {
    format!("welcome, {user}")
}

/// A schema with the queue's tables and one of the user's.
async fn shop() -> Result<Schema, BoxError> {
    let schema = Schema::fresh();
    Client::open(&schema.url()).await?.store().close().await?;
    schema.psql("CREATE TABLE person(mail text NOT NULL)");
    Ok(schema)
}

fn sign_up(schema: &Schema) -> String {
    format!("INSERT INTO {}.person VALUES ('ada@example.com')", schema.name())
}

async fn tasks(schema: &Schema) -> Result<u64, BoxError> {
    let counts = Client::open(&schema.url()).await?.store().counts().await?;
    Ok(counts.iter().map(|count| count.tasks).sum())
}

fn people(schema: &Schema) -> String {
    schema.psql("SELECT count(*) FROM person").trim().to_owned()
}

async fn is_run(schema: &Schema, id: delay::TaskId) -> Result<(), BoxError> {
    let rt = Runtime::open(schema.url()).await?;
    rt.start().await?;
    let handle = rt.client().handle::<String>(id);
    assert_eq!(soon("the task", handle.result()).await?, "welcome, 7");
    rt.stop().await?;
    Ok(())
}

fn is_refused(error: &Error, what: &str) {
    assert!(error.is_no_schema(), "{error:?}");
    assert!(error.to_string().contains(what), "{error}");
}

#[tokio::test]
async fn sqlx_adds_with_the_commit_whatever_a_task_has() -> Result<(), BoxError> {
    let schema = shop().await?;
    let mut db = PgConnection::connect(shared_url()).await?;
    let mut tx = db.begin().await?;
    tx.execute(delay::sqlx::AssertSqlSafe(sign_up(&schema))).await?;
    let here = Within::schema(schema.name(), &mut tx);
    let plain = Welcome::call(here, 7).await?;
    let full = Welcome::task(7).name("once").tag("t").priority(3).header("h", "v").delay("1h");
    let full = full.add(Within::schema(schema.name(), &mut tx)).await?;
    assert_eq!(tasks(&schema).await?, 0, "not before the commit");
    tx.commit().await?;
    assert_eq!((people(&schema).as_str(), tasks(&schema).await?), ("1", 2));
    let record = Client::open(&schema.url()).await?.store().get(vec![full.id()]).await?.remove(0);
    let record = record.ok_or("the full task")?;
    assert_eq!(
        (record.name.as_deref(), record.tag.as_deref(), record.priority),
        (Some("once"), Some("t"), 3)
    );
    is_run(&schema, plain.id()).await
}

#[tokio::test]
async fn sqlx_takes_back_with_the_rollback_and_goes_on_after_a_name_that_is_taken() -> Result<(), BoxError> {
    let schema = shop().await?;
    let holder = Welcome::task(1).name("once").add(&Client::open(&schema.url()).await?).await?;
    let mut db = PgConnection::connect(shared_url()).await?;
    let mut tx = db.begin().await?;
    Within::schema(schema.name(), &mut tx).add_all((0..3).map(Welcome::task)).await?;
    tx.rollback().await?;
    assert_eq!(tasks(&schema).await?, 1);
    let mut tx = db.begin().await?;
    tx.execute(delay::sqlx::AssertSqlSafe(sign_up(&schema))).await?;
    let here = Within::schema(schema.name(), &mut tx);
    let error = Welcome::task(2).name("once").add(here).await.unwrap_err();
    assert_eq!((error.is_already_added(), error.task()), (true, Some(holder.id())));
    is_refused(&Welcome::call(&mut tx, 7).await.unwrap_err(), "delay migrate");
    tx.commit().await?;
    assert_eq!((people(&schema).as_str(), tasks(&schema).await?), ("1", 1));
    Ok(())
}

#[tokio::test]
async fn diesel_adds_with_the_commit_whatever_a_task_has() -> Result<(), BoxError> {
    let schema = shop().await?;
    let mut db = AsyncPgConnection::establish(shared_url()).await?;
    let added = db.transaction(async |tx| {
        tx.batch_execute(&sign_up(&schema)).await?;
        let plain = Welcome::call(Within::schema(schema.name(), &mut *tx), 7).await?;
        let full = Welcome::task(7).name("once").tag("t").priority(3).header("h", "v").delay("1h");
        let full = full.add(Within::schema(schema.name(), tx)).await?;
        assert_eq!(tasks(&schema).await?, 0, "not before the commit");
        Ok::<_, BoxError>((plain.id(), full.id()))
    });
    let (plain, full) = added.await?;
    assert_eq!((people(&schema).as_str(), tasks(&schema).await?), ("1", 2));
    let record = Client::open(&schema.url()).await?.store().get(vec![full]).await?.remove(0);
    let record = record.ok_or("the full task")?;
    assert_eq!(
        (record.name.as_deref(), record.tag.as_deref(), record.priority),
        (Some("once"), Some("t"), 3)
    );
    is_run(&schema, plain).await
}

#[tokio::test]
async fn diesel_takes_back_with_the_rollback_and_goes_on_after_a_name_that_is_taken() -> Result<(), BoxError>
{
    let schema = shop().await?;
    let holder = Welcome::task(1).name("once").add(&Client::open(&schema.url()).await?).await?;
    let mut db = AsyncPgConnection::establish(shared_url()).await?;
    let rolled_back = db.transaction(async |tx| {
        Within::schema(schema.name(), tx).add_all((0..3).map(Welcome::task)).await?;
        Err::<(), BoxError>("taken back".into())
    });
    assert_eq!(rolled_back.await.unwrap_err().to_string(), "taken back");
    assert_eq!(tasks(&schema).await?, 1);
    let went_on = db.transaction(async |tx| {
        tx.batch_execute(&sign_up(&schema)).await?;
        let here = Within::schema(schema.name(), &mut *tx);
        let error = Welcome::task(2).name("once").add(here).await.unwrap_err();
        assert_eq!((error.is_already_added(), error.task()), (true, Some(holder.id())));
        is_refused(&Welcome::call(tx, 7).await.unwrap_err(), "delay migrate");
        Ok::<_, BoxError>(())
    });
    went_on.await?;
    assert_eq!((people(&schema).as_str(), tasks(&schema).await?), ("1", 1));
    Ok(())
}
