//! Tasks added in the user's own transaction: they exist if and only if it commits, and nothing that goes wrong with
//! them touches what the transaction did before.

use std::path::PathBuf;

use delay::queues::{Mode, QueueConfig, Resume};
use delay::rusqlite::{Connection, Transaction, TransactionBehavior};
use delay::store::{Filter, QueueEdit};
use delay::{BoxError, Client, Context, Enqueue as _, Error, Runtime, TaskState, rusqlite, taskqueue};
use delay_tests::soon;
use tempfile::TempDir;

#[delay::func("welcome", keep_result = "1h")]
async fn welcome(_ctx: &Context, user: i64) -> String {
    format!("welcome, {user}")
}

/// A shop with users, and the queue in the same file.
struct Shop {
    db: Connection,
    url: String,
    path: PathBuf,
    _folder: TempDir,
}

impl Shop {
    async fn open() -> Result<Self, BoxError> {
        let shop = Self::without_queue()?;
        Client::open(&shop.url).await?.store().close().await?;
        Ok(shop)
    }

    fn without_queue() -> Result<Self, BoxError> {
        let folder = TempDir::new()?;
        let path = folder.path().join("shop.db");
        let db = Connection::open(&path)?;
        db.execute_batch("CREATE TABLE user(id INTEGER PRIMARY KEY, mail TEXT NOT NULL)")?;
        Ok(Self { db, url: format!("sqlite:{}?shared", path.display()), path, _folder: folder })
    }

    fn sign_up(&mut self) -> rusqlite::Result<Transaction<'_>> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute("INSERT INTO user(mail) VALUES ('ada@example.com')", [])?;
        Ok(tx)
    }

    fn users(&self) -> rusqlite::Result<i64> {
        self.db.query_row("SELECT count(*) FROM user", [], |row| row.get(0))
    }

    async fn tasks(&self) -> delay::Result<u64> {
        let counts = Client::open(&self.url).await?.store().counts().await?;
        Ok(counts.iter().map(|count| count.tasks).sum())
    }
}

#[tokio::test]
async fn a_committed_task_is_run_by_a_worker_of_this_process() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let rt = Runtime::open(&shop.url).await?;
    rt.start().await?;
    // The worker has looked and found nothing: from here on only a signal wakes it.
    let first = Welcome::call(&rt, 0).await?;
    soon("a task of the worker's own process", first.result()).await?;
    let tx = shop.sign_up()?;
    let handle = Welcome::task(tx.last_insert_rowid()).insert(&tx)?;
    tx.commit()?;
    let value = soon("a task that was committed", rt.handle::<String>(handle.id()).result()).await?;
    assert_eq!(value, "welcome, 1");
    Ok(rt.stop().await?)
}

#[tokio::test]
async fn a_task_is_not_seen_before_the_commit() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let client = Client::open(&shop.url).await?;
    let tx = shop.sign_up()?;
    let handle = Welcome::call(&tx, 1).await?;
    assert_eq!(client.store().get(vec![handle.id()]).await?, [None]);
    tx.commit()?;
    assert_eq!(client.handle::<String>(handle.id()).record().await?.state, TaskState::Ready);
    Ok(())
}

#[tokio::test]
async fn after_a_rollback_there_is_no_task() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let tx = shop.sign_up()?;
    Welcome::task(1).name("welcome-1").insert(&tx)?;
    Welcome::call(&tx, 2).await?;
    tx.rollback()?;
    assert_eq!((shop.users()?, shop.tasks().await?), (0, 0));
    let tx = shop.sign_up()?;
    Welcome::task(1).name("welcome-1").insert(&tx)?;
    tx.commit()?;
    assert_eq!((shop.users()?, shop.tasks().await?), (1, 1), "the name was given back as well");
    Ok(())
}

#[tokio::test]
async fn a_dropped_transaction_leaves_no_task() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let tx = shop.sign_up()?;
    Welcome::task(1).insert(&tx)?;
    drop(tx);
    assert_eq!((shop.users()?, shop.tasks().await?), (0, 0));
    Ok(())
}

#[tokio::test]
async fn each_way_to_add_works_in_a_transaction() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let mut tx = shop.sign_up()?;
    Welcome::call(&tx, 1).await?;
    Welcome::call(&mut tx, 2).await?;
    Welcome::task(3).delay("1h").priority(-1).add(&tx).await?;
    Welcome::task(4).insert(&tx)?;
    let many = tx.add_all((5..=10).map(Welcome::task)).await?;
    assert!(many.len() == 6 && many.iter().all(Result::is_ok));
    tx.commit()?;
    let client = Client::open(&shop.url).await?;
    let records = client.store().list(Filter { limit: 100, ..Filter::default() }).await?;
    assert_eq!(records.len(), 10);
    let scheduled: Vec<_> = records.iter().filter(|record| record.state == TaskState::Scheduled).collect();
    assert_eq!(scheduled.iter().map(|record| record.priority).collect::<Vec<_>>(), [-1]);
    Ok(())
}

#[tokio::test]
async fn requests_and_tasks_to_be_leased_are_there_if_and_only_if_it_commits() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let client = Client::open(&shop.url).await?;
    let mut frames = QueueConfig::new("frames")?;
    frames.mode = Mode::Pull;
    client.store().configure(QueueEdit::Apply { queues: vec![frames], resume: Resume::ByOperator }).await?;
    let tx = shop.sign_up()?;
    taskqueue::post("/mail", "Dear Ada").name("ada").insert(&tx)?;
    taskqueue::pull("frame").queue("frames").insert(&tx)?;
    tx.rollback()?;
    assert_eq!((shop.users()?, shop.tasks().await?), (0, 0));
    let tx = shop.sign_up()?;
    taskqueue::post("/mail", "Dear Ada").name("ada").insert(&tx)?;
    let many: Vec<_> =
        (0..6).map(|n| taskqueue::pull(vec![n]).name(format!("frame-{n}")).queue("frames")).collect();
    assert!(tx.add_all(many).await?.iter().all(Result::is_ok), "more than five, and with names");
    tx.commit()?;
    let refused = client.taskqueue("default")?.add(taskqueue::post("/mail", "").name("ada")).await;
    assert!(refused.is_err_and(|error| error.is_already_added()));
    let leased = client.taskqueue("frames")?.lease(10, "1m").await?;
    let payloads: Vec<Vec<u8>> = leased.iter().map(|leased| leased.payload().to_vec()).collect();
    assert_eq!(payloads, (0..6).map(|n| vec![n]).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_taken_is_told_and_the_transaction_goes_on() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let client = Client::open(&shop.url).await?;
    let holder = Welcome::task(1).name("once").add(&client).await?;
    let tx = shop.sign_up()?;
    let error = Welcome::task(2).name("once").insert(&tx).expect_err("the name is taken");
    assert!(error.is_already_added() && error.task() == Some(holder.id()), "{error:?}");
    let mine = Welcome::task(3).name("twice").insert(&tx)?;
    let error = Welcome::task(4).name("twice").insert(&tx).expect_err("the name was taken just now");
    assert_eq!(error.task(), Some(mine.id()));
    tx.commit()?;
    assert_eq!((shop.users()?, shop.tasks().await?), (1, 2));
    Ok(())
}

#[tokio::test]
async fn a_database_without_the_queue_is_told_and_the_transaction_goes_on() -> Result<(), BoxError> {
    let mut shop = Shop::without_queue()?;
    let tx = shop.sign_up()?;
    let error = Welcome::task(1).insert(&tx).expect_err("there are no tables");
    assert!(error.is_no_schema(), "{error:?}");
    assert!(error.to_string().contains("shared"), "{error}");
    tx.commit()?;
    assert_eq!(shop.users()?, 1);
    Ok(())
}

#[tokio::test]
async fn a_queue_of_a_newer_version_is_told_and_the_transaction_goes_on() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    shop.db.execute("UPDATE delay_meta SET value = 1000 WHERE key = 'schema'", [])?;
    let tx = shop.sign_up()?;
    let error = Welcome::task(1).insert(&tx).expect_err("the tables are not known");
    assert!(error.is_newer_schema(), "{error:?}");
    tx.commit()?;
    assert_eq!(shop.users()?, 1);
    Ok(())
}

#[tokio::test]
async fn an_error_undoes_the_tasks_of_its_call_and_nothing_else() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    shop.db.execute_batch(
        "CREATE TRIGGER mishap BEFORE INSERT ON delay_task WHEN new.priority = 13
         BEGIN SELECT raise(ABORT, 'mishap'); END",
    )?;
    let tx = shop.sign_up()?;
    Welcome::task(1).insert(&tx)?;
    let batch = [Welcome::task(2), Welcome::task(3).priority(13), Welcome::task(4)];
    let error = tx.add_all(batch).await.expect_err("the second cannot be written");
    assert!(error.chain().contains("mishap"), "{}", error.chain());
    Welcome::task(5).insert(&tx)?;
    tx.commit()?;
    assert_eq!((shop.users()?, shop.tasks().await?), (1, 2));
    Ok(())
}

#[tokio::test]
async fn what_may_not_go_in_is_refused_before_anything_is_written() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let tx = shop.sign_up()?;
    let error = Welcome::task(1).name("not a name").insert(&tx).expect_err("a bad name");
    assert!(error.is_invalid_name());
    let headers = "x".repeat(70_000);
    let error = Welcome::task(1).header("h", headers).insert(&tx).expect_err("large headers");
    assert!(error.is_headers_too_large());
    tx.commit()?;
    assert_eq!((shop.users()?, shop.tasks().await?), (1, 0));
    Ok(())
}

#[tokio::test]
async fn a_handle_of_a_transaction_says_how_to_ask_after_the_task() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let tx = shop.sign_up()?;
    let handle = Welcome::task(1).insert(&tx)?;
    tx.commit()?;
    let error = handle.record().await.expect_err("it has nobody to ask");
    assert!(error.is_wrong_state() && error.to_string().contains("client.handle"), "{error}");
    Ok(())
}

#[tokio::test]
async fn while_a_transaction_is_open_others_wait_and_are_not_refused() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let client = Client::open(&shop.url).await?;
    let tx = shop.sign_up()?;
    Welcome::task(1).insert(&tx)?;
    let other = tokio::spawn(async move { Welcome::call(&client, 2).await.map(drop) });
    // Far longer than a push takes by itself: it is waiting for the lock.
    let waiting = std::time::Instant::now();
    while waiting.elapsed() < std::time::Duration::from_millis(300) {
        tokio::task::yield_now().await;
    }
    assert!(!other.is_finished());
    tx.commit()?;
    soon("the push that waited", other).await??;
    assert_eq!(shop.tasks().await?, 2);
    Ok(())
}

#[tokio::test]
async fn an_open_read_of_the_user_blocks_nobody() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let rt = Runtime::open(&shop.url).await?;
    rt.start().await?;
    let reading = shop.db.transaction()?;
    let users: i64 = reading.query_row("SELECT count(*) FROM user", [], |row| row.get(0))?;
    let value = soon("a task beside an open read", Welcome::call(&rt, users).await?.result()).await?;
    assert_eq!(value, "welcome, 0");
    drop(reading);
    Ok(rt.stop().await?)
}

#[tokio::test]
async fn a_broken_constraint_of_the_user_takes_the_task_with_it() -> Result<(), BoxError> {
    let mut shop = Shop::open().await?;
    let committed = (|| {
        let tx = shop.sign_up()?;
        Welcome::task(1).insert(&tx)?;
        tx.execute("INSERT INTO user(mail) VALUES (NULL)", [])?;
        Ok::<_, BoxError>(tx.commit()?)
    })();
    assert!(committed.is_err());
    assert_eq!((shop.users()?, shop.tasks().await?), (0, 0));
    assert!(shop.path.exists());
    Ok(())
}

#[test]
fn a_bad_option_is_an_error_of_its_own_kind() {
    let error: Error = Welcome::task(1).delay("soon").insert_nowhere();
    assert!(error.is_invalid_duration());
}

/// Tells what is wrong with a task by adding it to a database that would take it.
trait InsertNowhere {
    fn insert_nowhere(self) -> Error;
}

impl<T> InsertNowhere for delay::TaskBuilder<T> {
    fn insert_nowhere(self) -> Error {
        let mut db = Connection::open_in_memory().expect("a database");
        let tx = db.transaction().expect("a transaction");
        self.insert(&tx).expect_err("it is wrong")
    }
}
