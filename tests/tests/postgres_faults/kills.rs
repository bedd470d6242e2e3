//! The server dies and comes back.

use std::time::Instant;

use delay::Result;
use delay_tests::postgres::{Promise, Server, Setup, Stop};

use super::load::{Load, length};

fn durable() -> Server {
    Server::with(&Setup { promise: Promise::Disk, ..Setup::default() })
}

#[tokio::test]
async fn a_server_that_is_killed_and_restarted_loses_nothing() -> Result<()> {
    let mut server = durable();
    let mut load = Load::start(server.url(""), 3);
    let begin = Instant::now();
    let mut kills = 0;
    while begin.elapsed() < length() {
        load.progress(20);
        server.kill9();
        server.restart();
        kills += 1;
        println!("kill {kills}: all three went on {:?} after the restart", load.progress(1));
    }
    load.finish().await.map(drop)
}

#[tokio::test]
async fn a_server_that_is_stopped_in_order_and_started_again_loses_nothing() -> Result<()> {
    let mut server = durable();
    let mut load = Load::start(server.url(""), 2);
    for how in [Stop::Fast, Stop::Immediate] {
        load.progress(20);
        server.stop(how);
        server.restart();
        println!("{how:?}: both went on {:?} after the restart", load.progress(1));
    }
    load.finish().await.map(drop)
}
