//! What an idle worker costs the server.

use std::time::Duration;

use delay::{BoxError, Context, Runtime};
use delay_tests::postgres::{Server, Setup};
use delay_tests::soon;

#[delay::func("nothing")]
async fn nothing(_ctx: &Context) {}

/// When the server was sent its statements, beats and upkeep and all, counted from the first one: as its log says.
fn statements(log: &str) -> Vec<Duration> {
    const DAY: f64 = 86_400.0;
    let sent = |line: &&str| line.contains("LOG:  execute ") || line.contains("LOG:  statement: ");
    let second = |line: &str| {
        let mut of_day = line.split_whitespace().nth(1)?.split(':').map(str::parse::<f64>);
        Some((of_day.next()?.ok()? * 60.0 + of_day.next()?.ok()?) * 60.0 + of_day.next()?.ok()?)
    };
    let seconds: Vec<f64> = log.lines().filter(sent).filter_map(second).collect();
    let first = seconds.first().copied().unwrap_or_default();
    // Over midnight; and two connections may write in another order than that of their clocks.
    let passed = |second: &f64| (second - first + DAY / 2.0).rem_euclid(DAY) - DAY / 2.0;
    seconds.iter().map(passed).map(|passed| Duration::from_secs_f64(passed.max(0.0))).collect()
}

#[tokio::test]
async fn an_idle_worker_asks_at_most_twice_per_second() -> Result<(), BoxError> {
    const SECONDS: usize = 10;
    const SETTLED: Duration = Duration::from_secs(2);
    const END: Duration = Duration::from_secs(2 + SECONDS as u64);
    let server = Server::with(&Setup::default());
    server.configure(&[("log_statement", "all")]);
    for options in ["schema=heard", "schema=polled&notify=off"] {
        let rt = Runtime::open(server.url(options)).await?;
        rt.start().await?;
        let first = Nothing::call(&rt).await?;
        soon("the first task", first.finished()).await?;
        let tail = server.tail();
        let is_over = |log: &str| statements(log).last().is_some_and(|last| *last > END);
        let log =
            tokio::task::spawn_blocking(move || tail.until("the end of its idle time", is_over)).await?;
        let asked = statements(&log).iter().filter(|sent| (SETTLED..END).contains(sent)).count();
        println!("{options}: {asked} statements in {SECONDS} s");
        assert!(asked <= 2 * SECONDS, "{options}: {asked} statements in {SECONDS} s");
        assert!(asked >= SECONDS / 2, "{options}: nobody looks after the store: {asked}");
        rt.stop().await?;
    }
    Ok(())
}
