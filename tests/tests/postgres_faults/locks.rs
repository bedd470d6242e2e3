//! Somebody else's transaction is in the way: a lock, or a snapshot that is held open.

use delay::queues::{QueueConfig, Resume};
use delay::store::postgres::{PostgresOptions, PostgresStore};
use delay::store::{Claim, QueueEdit, Queues, Store, Turn, UpkeepRules};
use delay::{BoxError, Due, Result, Task};
use delay_tests::postgres::{Server, Session};
use delay_tests::{Hand, soon, task};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

use super::load::{Load, length};

/// Holds up every statement that does what `event` says, until it is dropped.
fn hold(server: &Server, event: &str) -> Session {
    server.psql(&format!(
        "CREATE FUNCTION own.hold() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$;
        CREATE TRIGGER hold {event} EXECUTE FUNCTION own.hold()"
    ));
    server.session("SELECT pg_advisory_lock(1)")
}

/// By the server's clock.
fn pass_half_a_second(server: &Server) {
    let now = server.psql("SELECT clock_timestamp()");
    server.until("half a second", &format!("clock_timestamp() > '{now}'::timestamptz + interval '0.5 s'"));
}

#[tokio::test]
async fn a_statement_that_takes_too_long_fails_with_advice_and_does_nothing() -> Result<()> {
    let server = Server::start();
    let url = server.url("schema=own&statement_timeout=200ms");
    let store: Arc<dyn Store> = Arc::new(PostgresStore::open(PostgresOptions::new(url)).await?);
    store.push(vec![task()]).await?;
    let hand = Hand::enlist(&store).await?;
    let lock = server.session("BEGIN; LOCK TABLE own.task IN ACCESS EXCLUSIVE MODE");
    let turn = Turn { worker: hand.id, settle: Vec::new(), want: 10, queues: Queues::All };
    for error in
        [store.push(vec![task()]).await.expect_err("locked"), store.turn(turn).await.expect_err("locked")]
    {
        assert!(error.is_unavailable() && error.to_string().contains("statement"), "{error:?}");
    }
    drop(lock);
    assert_eq!(hand.claim(10).await?.len(), 1, "what failed was not done");
    store.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_comes_due_while_a_claim_waits_is_found_by_the_next_one() -> Result<(), BoxError> {
    let server = Server::start();
    // To prepare a statement asks for locks as well, before the turn has begun.
    let url = server.url("schema=own&prepare=off");
    let store: Arc<dyn Store> = Arc::new(PostgresStore::open(PostgresOptions::new(url)).await?);
    let hand = Arc::new(Hand::enlist(&store).await?);
    let due = |wait| Task { due: Due::In(wait), ..task() };
    store.push(vec![due(Duration::from_millis(10)), due(Duration::from_secs(3600))]).await?;
    // It hears of the first one, and will bring due tasks forward once that is due.
    hand.turn(Vec::new(), 0, Queues::All).await?;
    let now = "(extract(epoch FROM clock_timestamp()) * 1000000)::int8";
    server.until("the first one is due", &format!("EXISTS (SELECT FROM own.task WHERE eta < {now})"));
    let lock = server.session("BEGIN; LOCK TABLE own.claim IN ACCESS EXCLUSIVE MODE");
    let claim = tokio::spawn({
        let hand = Arc::clone(&hand);
        async move { hand.claim(10).await }
    });
    // It has brought the first one forward by now; the other one's hour is over in a moment.
    server.until_somebody_waits("Lock");
    server.psql(&format!("UPDATE own.task SET eta = {now} WHERE eta > {now}"));
    // Longer ago than a mark stays behind the clock.
    let later = format!("NOT EXISTS (SELECT FROM own.task WHERE eta > {now} - 500000)");
    server.until("half a second is over", &later);
    drop(lock);
    assert_eq!(claim.await??.len(), 1);
    assert_eq!(hand.claim(10).await?.len(), 1);
    store.close().await.map_err(Into::into)
}

/// A claim that has reserved what the limits of its queue let it have, and takes it when the lock is dropped.
struct Reserved {
    store: Arc<dyn Store>,
    hand: Arc<Hand>,
    lock: Session,
    claim: JoinHandle<Result<Vec<Claim>>>,
}

impl Reserved {
    async fn of(server: &Server, limits: impl FnOnce(&mut QueueConfig)) -> Result<Self> {
        let store: Arc<dyn Store> =
            Arc::new(PostgresStore::open(PostgresOptions::new(server.url("schema=own"))).await?);
        let hand = Arc::new(Hand::enlist(&store).await?);
        configure(&store, limits).await?;
        store.push((0..4).map(|_| task()).collect()).await?;
        let lock = hold(server, "BEFORE UPDATE ON own.task FOR EACH ROW");
        let claim = tokio::spawn({
            let hand = Arc::clone(&hand);
            async move { hand.claim(10).await }
        });
        server.until_somebody_waits("Lock");
        Ok(Self { store, hand, lock, claim })
    }

    /// How many it takes, and how many the next claim does.
    async fn takes(self) -> Result<(usize, usize), BoxError> {
        drop(self.lock);
        let taken = (self.claim.await??.len(), self.hand.claim(10).await?.len());
        self.store.close().await?;
        Ok(taken)
    }
}

async fn configure(store: &Arc<dyn Store>, limits: impl FnOnce(&mut QueueConfig)) -> Result<()> {
    let mut queue = QueueConfig::new(&*task().queue)?;
    limits(&mut queue);
    store.configure(QueueEdit::Apply { queues: vec![queue], resume: Resume::ByOperator }).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_claim_has_reserved_counts_when_its_queue_is_configured_anew() -> Result<(), BoxError> {
    let server = Server::start();
    let reserved = Reserved::of(&server, |queue| queue.max_concurrent_requests = 2).await?;
    let again = |queue: &mut QueueConfig| (queue.max_concurrent_requests, queue.bucket_size) = (2, 6);
    configure(&reserved.store, again).await?;
    assert_eq!(reserved.takes().await?, (2, 0), "no more run at once than may");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_was_under_way_while_upkeep_counted_is_counted() -> Result<(), BoxError> {
    let server = Server::start();
    let reserved = Reserved::of(&server, |queue| queue.max_concurrent_requests = 2).await?;
    // Nothing has moved for a second: what was reserved is taken for lost.
    let count = async {
        while server.psql("SELECT running FROM own.queue_limit") != "0" {
            reserved.store.upkeep(UpkeepRules::default()).await?;
        }
        Ok::<_, delay::Error>(())
    };
    soon("a count of what runs", count).await?;
    assert_eq!(reserved.takes().await?, (2, 0), "no more run at once than may");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_bucket_gains_while_a_claim_is_under_way_is_for_the_next_one() -> Result<(), BoxError> {
    let server = Server::start();
    let rate = Some("4/s".parse()?);
    let reserved = Reserved::of(&server, |queue| (queue.rate, queue.bucket_size) = (rate, 1)).await?;
    pass_half_a_second(&server);
    assert_eq!(reserved.takes().await?, (1, 1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_whose_commit_was_late_is_found_by_the_next_claim() -> Result<(), BoxError> {
    let server = Server::start();
    let store: Arc<dyn Store> =
        Arc::new(PostgresStore::open(PostgresOptions::new(server.url("schema=own"))).await?);
    let hand = Hand::enlist(&store).await?;
    store.push(vec![task()]).await?;
    hand.finish_one().await?;
    let lock = hold(&server, "AFTER INSERT ON own.task FOR EACH STATEMENT");
    let push = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.push(vec![task()]).await }
    });
    server.until_somebody_waits("advisory");
    // Longer than a mark stays behind the clock: the claim passes the place where it will stand.
    pass_half_a_second(&server);
    assert!(hand.claim(10).await?.is_empty());
    drop(lock);
    push.await??;
    assert_eq!(hand.claim(10).await?.len(), 1);
    store.close().await.map_err(Into::into)
}

#[tokio::test]
async fn work_goes_on_after_a_lock_that_outlasted_the_statement_timeout() -> Result<()> {
    let server = Server::start();
    let mut load = Load::start(server.url("schema=own&statement_timeout=200ms"), 2);
    for _ in 0..3 {
        load.progress(10);
        let lock = server.session("BEGIN; LOCK TABLE own.task IN ACCESS EXCLUSIVE MODE");
        server.until_somebody_waits("Lock");
        let waits = "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')";
        server.until("those who waited gave up", &format!("NOT {waits}"));
        drop(lock);
        load.progress(1);
    }
    load.finish().await.map(drop)
}

#[tokio::test]
async fn work_goes_on_while_a_snapshot_is_held_open() -> Result<()> {
    let server = Server::start();
    let mut load = Load::start(server.url("schema=own"), 2);
    let snapshot = server.session("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM own.task");
    let begin = std::time::Instant::now();
    while begin.elapsed() < length() {
        load.progress(100);
    }
    drop(snapshot);
    load.finish().await.map(drop)
}
