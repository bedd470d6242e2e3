//! What an idle worker costs the server.

use std::time::Duration;

use delay::{BoxError, Context, Runtime};
use delay_tests::postgres::{Server, Setup};
use delay_tests::soon;

#[delay::func("nothing")]
async fn nothing(_ctx: &Context) {}

/// The statements that the server has been sent so far, beats and upkeep and all.
fn statements(server: &Server) -> usize {
    let log = server.log();
    log.lines().filter(|line| line.contains("LOG:  execute ") || line.contains("LOG:  statement: ")).count()
}

/// The one test that has to let time pass: nothing signals that nothing happens.
#[tokio::test]
async fn an_idle_worker_asks_at_most_twice_per_second() -> Result<(), BoxError> {
    const SECONDS: usize = 10;
    let server = Server::with(&Setup::default());
    server.configure(&[("log_statement", "all")]);
    for options in ["schema=heard", "schema=polled&notify=off"] {
        let rt = Runtime::open(server.url(options)).await?;
        rt.start().await?;
        let first = Nothing::call(&rt).await?;
        soon("the first task", first.finished()).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = statements(&server);
        tokio::time::sleep(Duration::from_secs(SECONDS as u64)).await;
        let asked = statements(&server) - before;
        println!("{options}: {asked} statements in {SECONDS} s");
        assert!(asked <= 2 * SECONDS, "{options}: {asked} statements in {SECONDS} s");
        assert!(asked >= SECONDS / 2, "{options}: nobody looks after the store: {asked}");
        rt.stop().await?;
    }
    Ok(())
}
