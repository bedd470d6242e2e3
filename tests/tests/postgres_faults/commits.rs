//! The connection breaks while a commit is on its way: nobody knows whether it happened.

use std::time::Instant;

use delay::Result;
use delay_tests::BOUND;
use delay_tests::postgres::{Promise, Proxy, Server, Setup};

use super::load::{Load, length};

#[tokio::test]
async fn commits_whose_answers_are_lost_lose_and_repeat_nothing() -> Result<()> {
    let server = Server::with(&Setup { promise: Promise::Disk, ..Setup::default() });
    let proxy = Proxy::to(&server);
    let mut load = Load::start(proxy.url(""), 2);
    let begin = Instant::now();
    let mut cuts = 0;
    while begin.elapsed() < length() {
        load.progress(1);
        proxy.swallow_an_answer();
        cuts += 1;
        while proxy.swallowed() < cuts {
            assert!(begin.elapsed() < length() + BOUND, "nothing is answered any more");
            std::thread::yield_now();
        }
    }
    println!("{cuts} answers were swallowed");
    assert!(cuts >= 10, "too few answers were lost to prove anything: {cuts}");
    load.finish().await.map(drop)
}

#[tokio::test]
async fn connections_that_are_all_cut_at_once_lose_nothing() -> Result<()> {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let mut load = Load::start(proxy.url(""), 2);
    for _ in 0..10 {
        load.progress(5);
        proxy.cut();
        load.progress(1);
        server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port > 0");
    }
    load.finish().await.map(drop)
}
