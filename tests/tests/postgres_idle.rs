//! What an idle worker costs the server.

use std::time::Duration;

use delay::{BoxError, Context, Runtime};
use delay_tests::postgres::{Server, Setup};
use delay_tests::soon;

#[delay::func("nothing")]
async fn nothing(_ctx: &Context) {}

/// Transactions in the database so far: each statement outside of one is one.
fn transactions(server: &Server) -> u64 {
    let count = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    server.psql(count).parse().expect("a number")
}

/// The statistics of a session that is idle may come late, so the time is long beside that: twenty seconds may bring
/// what a few seconds before did.
#[tokio::test]
async fn an_idle_worker_asks_at_most_twice_per_second() -> Result<(), BoxError> {
    const SECONDS: u64 = 20;
    let server = Server::with(&Setup::default());
    for options in ["schema=heard", "schema=polled&notify=off"] {
        let rt = Runtime::open(server.url(options)).await?;
        rt.start().await?;
        let first = Nothing::call(&rt).await?;
        soon("the first task", first.finished()).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let before = transactions(&server);
        tokio::time::sleep(Duration::from_secs(SECONDS)).await;
        let asked = transactions(&server) - before;
        println!("{options}: {asked} transactions in {SECONDS} s");
        assert!(asked <= 2 * SECONDS, "{options}: {asked} transactions in {SECONDS} s");
        assert!(asked >= SECONDS / 2, "{options}: nobody looks after the store: {asked}");
        rt.stop().await?;
    }
    Ok(())
}
