//! What an idle worker costs the server.

use std::time::Duration;

use delay::{BoxError, Context, Runtime};
use delay_tests::postgres::{Server, Setup};
use delay_tests::soon;

#[delay::func("nothing")]
async fn nothing(_ctx: &Context) {}

const SECONDS: usize = 10;
const SETTLED: Duration = Duration::from_secs(2);

/// A statement that the server was sent, as its log says.
struct Sent<'a> {
    /// Since the first one.
    after: Duration,
    text: &'a str,
}

/// All of them, beats and upkeep and all.
fn statements(log: &str) -> Vec<Sent<'_>> {
    const DAY: f64 = 86_400.0;
    let sent: Vec<(f64, &str)> = log.lines().filter_map(statement).collect();
    let first = sent.first().map_or(0.0, |(second, _)| *second);
    // Over midnight; and two connections may write in another order than that of their clocks.
    let passed = |second: f64| (second - first + DAY / 2.0).rem_euclid(DAY) - DAY / 2.0;
    let from_first = |(second, text)| Sent { after: Duration::from_secs_f64(passed(second).max(0.0)), text };
    sent.into_iter().map(from_first).collect()
}

/// The second of the day at which a line was written, and the statement that it tells of.
fn statement(line: &str) -> Option<(f64, &str)> {
    let (begin, text) =
        ["LOG:  execute ", "LOG:  statement: "].iter().find_map(|kind| line.split_once(kind))?;
    let mut of_day = begin.split_whitespace().nth(1)?.split(':').map(str::parse::<f64>);
    let second = (of_day.next()?.ok()? * 60.0 + of_day.next()?.ok()?) * 60.0 + of_day.next()?.ok()?;
    Some((second, text))
}

/// Ten seconds in which it was idle, if they are over: a while after the first statement, and after the last partition
/// that it has made. That is the work of a day, and the day may begin now.
fn idle(log: &str) -> Option<Vec<Sent<'_>>> {
    let sent = statements(log);
    let makes = |sent: &&Sent<'_>| sent.text.starts_with("CREATE TABLE ");
    let begin = sent.iter().rfind(makes).or(sent.first())?.after + SETTLED;
    let end = begin + Duration::from_secs(SECONDS as u64);
    let is_over = sent.last()?.after > end;
    is_over.then(|| sent.into_iter().filter(|sent| (begin..end).contains(&sent.after)).collect())
}

#[tokio::test]
async fn an_idle_worker_asks_at_most_twice_per_second() -> Result<(), BoxError> {
    let server = Server::with(&Setup::default());
    server.configure(&[("log_statement", "all")]);
    for options in ["schema=heard", "schema=polled&notify=off"] {
        let rt = Runtime::open(server.url(options)).await?;
        rt.start().await?;
        let first = Nothing::call(&rt).await?;
        soon("the first task", first.finished()).await?;
        let tail = server.tail();
        let until = move || tail.until("the end of its idle time", |log| idle(log).is_some());
        let log = tokio::task::spawn_blocking(until).await?;
        let asked = idle(&log).map_or(0, |sent| sent.len());
        println!("{options}: {asked} statements in {SECONDS} s");
        assert!(asked <= 2 * SECONDS, "{options}: {asked} statements in {SECONDS} s");
        assert!(asked >= SECONDS / 2, "{options}: nobody looks after the store: {asked}");
        rt.stop().await?;
    }
    Ok(())
}
