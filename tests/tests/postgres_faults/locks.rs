//! Somebody else's transaction is in the way: a lock, or a snapshot that is held open.

use delay::Result;
use delay::store::postgres::{PostgresOptions, PostgresStore};
use delay::store::{Queues, Store, Turn};
use delay_tests::postgres::Server;
use delay_tests::{Hand, task};
use std::sync::Arc;

use super::load::{Load, length};

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

#[tokio::test]
async fn work_goes_on_after_a_lock_that_outlasted_the_statement_timeout() -> Result<()> {
    let server = Server::start();
    let mut load = Load::start(server.url("schema=own&statement_timeout=200ms"), 2);
    for _ in 0..3 {
        load.progress(10);
        let lock = server.session("BEGIN; LOCK TABLE own.task IN ACCESS EXCLUSIVE MODE");
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        while server.psql(waiting) == "0" {}
        while server.psql(waiting) != "0" {}
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
