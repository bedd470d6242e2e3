//! What a function can say about its own failure, and what becomes of its task then.
//!
//! `cargo run --example retry` makes six deliveries, shows every attempt as it comes, and ends when all are settled.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use delay::{BoxError, Context, Failure, FailureExt as _, Runtime};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The waits double from 100 ms; after three retries, which are four attempts, the task has failed.
#[delay::func("deliver", retry(limit = 3, min_backoff = "100ms"))]
async fn deliver(ctx: &Context, to: &str) -> Result<(), BoxError> {
    println!("{:4.1} s  {to}: attempt {}", START.elapsed().as_secs_f32(), ctx.attempt());
    match (to, ctx.attempt()) {
        // Any error is retried by the policy.
        ("busy", 1 | 2) => Err("the server is busy".into()),
        ("down", _) => Err("the server is down".into()),
        // The server has said when to come back. The attempt counts.
        ("greylisted", 1) => Err("come back in a second").retry_in(Duration::from_secs(1))?,
        // Not now, and nobody's fault: the attempt does not count.
        ("sunday", _) if START.elapsed() < Duration::from_millis(500) => {
            Err(Failure::snooze(Duration::from_millis(500)).into())
        }
        // No retry will help.
        ("nobody", _) => Err("there is no such mailbox").permanent()?,
        // It is not wanted any more.
        ("unsubscribed", _) => Err(Failure::cancel("they have left the list").into()),
        _ => Ok(()),
    }
}

#[delay::main]
async fn main() -> delay::Result<()> {
    LazyLock::force(&START);
    let rt = Runtime::open(delay_examples::store()).await?;
    let mut deliveries = Vec::new();
    for to in ["busy", "down", "greylisted", "sunday", "nobody", "unsubscribed"] {
        deliveries.push((to, Deliver::call(&rt, to).await?));
    }
    rt.start().await?; // works in the background
    let mut outcomes = String::new();
    for (to, delivery) in deliveries {
        let record = delivery.finished().await?;
        let error = record.error.map(|error| format!(", last error: {error}")).unwrap_or_default();
        outcomes += &format!("\n{to}: {}, attempts: {}{error}", record.state, record.attempt);
    }
    println!("{outcomes}");
    rt.stop().await
}
