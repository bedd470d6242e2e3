//! Tasks added in the user's own transaction on PostgreSQL: they exist if and only if it commits, and nothing that goes
//! wrong with them touches what the transaction did before.

use delay::queues::{Mode, QueueConfig, Resume};
use delay::store::QueueEdit;
use delay::store::postgres::Within;
use delay::tokio_postgres::{Client as Db, NoTls, connect};
use delay::{BoxError, Client, Context, Enqueue as _, Runtime, taskqueue};
use delay_tests::postgres::{Schema, shared_url};
use delay_tests::soon;

#[delay::func("welcome", keep_result = "1h")]
async fn welcome(_ctx: &Context, user: i64) -> String {
    format!("welcome, {user}")
}

/// A shop with users, and the queue in the same database.
struct Shop {
    db: Db,
    schema: Schema,
}

impl Shop {
    async fn open() -> Result<Self, BoxError> {
        let shop = Self::without_queue().await?;
        Client::open(&shop.schema.url()).await?.store().close().await?;
        Ok(shop)
    }

    async fn without_queue() -> Result<Self, BoxError> {
        let schema = Schema::fresh();
        let (db, connection) = connect(shared_url(), NoTls).await?;
        tokio::spawn(connection);
        db.batch_execute("CREATE TEMPORARY TABLE person(id bigserial, mail text NOT NULL)").await?;
        Ok(Self { db, schema })
    }

    async fn users(&self) -> Result<i64, BoxError> {
        Ok(self.db.query_one("SELECT count(*) FROM person", &[]).await?.get(0))
    }

    async fn tasks(&self) -> Result<u64, BoxError> {
        let counts = Client::open(&self.schema.url()).await?.store().counts().await?;
        Ok(counts.iter().map(|count| count.tasks).sum())
    }
}

const SIGN_UP: &str = "INSERT INTO person(mail) VALUES ('ada@example.com')";

#[tokio::test]
async fn a_committed_task_is_run_by_a_worker_of_another_connection() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let rt = Runtime::open(shop.schema.url()).await?;
    rt.start().await?;
    let schema = shop.schema.name().to_owned();
    let tx = shop.db.transaction().await?;
    tx.batch_execute(SIGN_UP).await?;
    let handle = Welcome::call(Within::schema(&schema, &tx), 7).await?;
    tx.commit().await?;
    let handle = rt.client().handle::<String>(handle.id());
    assert_eq!(soon("the task", handle.result()).await?, "welcome, 7");
    rt.stop().await?;
    Ok(())
}

#[tokio::test]
async fn requests_and_tasks_to_be_leased_are_there_if_and_only_if_it_commits() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let client = Client::open(&shop.schema.url()).await?;
    let mut frames = QueueConfig::new("frames")?;
    frames.mode = Mode::Pull;
    client.store().configure(QueueEdit::Apply { queues: vec![frames], resume: Resume::ByOperator }).await?;
    let schema = shop.schema.name().to_owned();
    for commits in [false, true] {
        let tx = shop.db.transaction().await?;
        taskqueue::post("/mail", "Dear Ada").name("ada").add(Within::schema(&schema, &tx)).await?;
        let many = (0..6).map(|n| taskqueue::pull(vec![n]).name(format!("frame-{n}")).queue("frames"));
        let added = Within::schema(&schema, &tx).add_all(many.collect::<Vec<_>>()).await?;
        assert!(added.iter().all(Result::is_ok), "more than five, and with names");
        if commits {
            tx.commit().await?;
        } else {
            tx.rollback().await?;
            assert_eq!(shop.tasks().await?, 0);
        }
    }
    let refused = client.taskqueue("default")?.add(taskqueue::post("/mail", "").name("ada")).await;
    assert!(refused.is_err_and(|error| error.is_already_added()));
    let leased = client.taskqueue("frames")?.lease(10, "1m").await?;
    let payloads: Vec<Vec<u8>> = leased.iter().map(|leased| leased.payload().to_vec()).collect();
    assert_eq!(payloads, (0..6).map(|n| vec![n]).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn what_is_rolled_back_was_never_added() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let schema = shop.schema.name().to_owned();
    let tx = shop.db.transaction().await?;
    tx.batch_execute(SIGN_UP).await?;
    Welcome::call(Within::schema(&schema, &tx), 7).await?;
    tx.rollback().await?;
    assert_eq!((shop.users().await?, shop.tasks().await?), (0, 0));
    Ok(())
}

#[tokio::test]
async fn a_task_is_not_seen_before_the_commit() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let url = shop.schema.url();
    let schema = shop.schema.name().to_owned();
    let mut tx = shop.db.transaction().await?;
    let added = Within::schema(&schema, &mut tx).add_all((0..3).map(Welcome::task)).await?;
    assert_eq!(added.len(), 3);
    let other = Client::open(&url).await?;
    assert_eq!(other.store().counts().await?, []);
    tx.commit().await?;
    assert_eq!(other.store().counts().await?[0].tasks, 3);
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_taken_leaves_the_transaction_as_it_was() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let client = Client::open(&shop.schema.url()).await?;
    let holder = Welcome::task(1).name("once").add(&client).await?;
    let schema = shop.schema.name().to_owned();
    let tx = shop.db.transaction().await?;
    tx.batch_execute(SIGN_UP).await?;
    let error = Welcome::task(2).name("once").add(Within::schema(&schema, &tx)).await.unwrap_err();
    assert!(error.is_already_added());
    assert_eq!(error.task(), Some(holder.id()));
    tx.commit().await?;
    assert_eq!((shop.users().await?, shop.tasks().await?), (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_database_without_the_queue_is_told_and_the_transaction_goes_on() -> Result<(), BoxError> {
    let mut shop = Shop::without_queue().await?;
    let schema = shop.schema.name().to_owned();
    let tx = shop.db.transaction().await?;
    tx.batch_execute(SIGN_UP).await?;
    let error = Welcome::call(Within::schema(&schema, &tx), 7).await.unwrap_err();
    assert!(error.is_no_schema(), "{error:?}");
    assert!(error.to_string().contains("delay migrate"), "{error}");
    tx.commit().await?;
    assert_eq!(shop.users().await?, 1);
    Ok(())
}

/// A transaction may stay open for longer than claims look back: what it added is found all the same.
#[tokio::test]
async fn a_task_that_is_committed_long_after_it_was_added_is_run() -> Result<(), BoxError> {
    for options in ["", "notify=off"] {
        let mut shop = Shop::open().await?;
        let rt = Runtime::open(shop.schema.url_with(options)).await?;
        rt.start().await?;
        let schema = shop.schema.name().to_owned();
        let tx = shop.db.transaction().await?;
        let late = Welcome::call(Within::schema(&schema, &tx), 1).await?;
        // Others pass meanwhile, and the marks with them, until they are far beyond where the late one stands.
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_millis(500) {
            let other = Welcome::call(&rt, 2).await?;
            soon("a task that passes", other.result()).await?;
        }
        tx.commit().await?;
        let late = rt.client().handle::<String>(late.id());
        assert_eq!(soon("the late task", late.result()).await?, "welcome, 1");
        rt.stop().await?;
    }
    Ok(())
}
