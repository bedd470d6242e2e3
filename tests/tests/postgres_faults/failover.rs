//! The primary dies, and its standby takes over.

use std::io::Write;

use delay::Result;
use delay::store::Store as _;
use delay::store::postgres::{PostgresOptions, PostgresStore};
use delay_tests::postgres::{Promise, Replication, Server, Setup};
use delay_tests::soon;
use tokio::sync::watch;

use super::load::Load;

#[tokio::test]
async fn a_synchronous_standby_that_is_promoted_has_all_that_was_acknowledged() -> Result<()> {
    let mut primary = Server::with(&Setup { promise: Promise::Disk, ..Setup::default() });
    let mut standby = primary.standby(Replication::Synchronous);
    let mut load = Load::start(primary.url_with(&[&standby], "durability=replicated"), 3);
    load.progress(50);
    // The last moments are the ones that count: the standby is behind when the primary dies, so that whatever was
    // acknowledged without it is lost.
    standby.freeze();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let waited = (0..50).any(|_| primary.psql(waiting) != "0");
    primary.kill9();
    standby.thaw();
    standby.promote();
    println!("all three went on {:?} after the promotion", load.progress(1));
    load.progress(20);
    // `replicated` is not kept by one server alone: whoever opens a store anew wants a standby of the new primary.
    let _next = standby.standby(Replication::Synchronous);
    load.finish().await?;
    assert!(waited, "no commit waited for the standby");
    Ok(())
}

/// The old primary does not die but hangs, with all connections open: nobody is told that it is gone.
#[tokio::test]
async fn a_primary_that_hangs_is_left_for_the_new_one() -> Result<()> {
    let primary = Server::with(&Setup { promise: Promise::Disk, ..Setup::default() });
    let mut standby = primary.standby(Replication::Synchronous);
    let options = "durability=replicated&connect_timeout=1s&statement_timeout=1s";
    let mut load = Load::start(primary.url_with(&[&standby], options), 2);
    load.progress(50);
    primary.freeze();
    standby.promote();
    println!("both went on {:?} after the promotion", load.progress(1));
    let _next = standby.standby(Replication::Synchronous);
    drop(primary);
    load.finish().await.map(drop)
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(watch::Sender<Vec<u8>>);

fn has(log: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(log).contains(text)
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send_modify(|log| log.extend(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// As after a failover to a server that nobody has given a standby yet.
#[tokio::test]
async fn that_there_is_no_standby_any_more_is_told_when_the_connection_is_made_anew() -> Result<()> {
    let primary = Server::with(&Setup { promise: Promise::Disk, ..Setup::default() });
    let _standby = primary.standby(Replication::Synchronous);
    primary.configure(&[("log_statement", "all")]);
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    let _logging = tracing::subscriber::set_default(subscriber.finish());
    let store = PostgresStore::open(PostgresOptions::new(primary.url("durability=replicated"))).await?;
    let says = |text: &'static str| {
        let tail = primary.tail();
        tokio::task::spawn_blocking(move || tail.until(text, |log| log.contains(text)))
    };
    // A connection listens as long as somebody waits.
    let listens = says("LOG:  statement: LISTEN");
    let _waits = store.signals().subscribe();
    listens.await.expect("a connection that listens");
    let set = says("parameter \"synchronous_standby_names\"");
    primary.configure(&[("synchronous_standby_names", "")]);
    set.await.expect("the setting");
    let told = "what is added now may be on one server alone";
    assert!(!has(&log.0.borrow(), told), "{}", String::from_utf8_lossy(&log.0.borrow()));
    primary.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'");
    let mut logged = log.0.subscribe();
    drop(soon("the word", logged.wait_for(|log| has(log, told))).await.expect("the log is there"));
    store.close().await
}
