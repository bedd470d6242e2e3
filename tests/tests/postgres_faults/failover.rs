//! The primary dies, and its standby takes over.

use delay::Result;
use delay_tests::postgres::{Promise, Replication, Server, Setup};

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
