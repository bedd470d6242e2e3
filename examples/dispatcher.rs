//! Tasks that run in another program: the queue `mail` has a target, and its tasks are sent there over HTTP.
//!
//! Start `webapp` first, and then `DELAY_KEY=$KEY cargo run --example dispatcher --features http` with the same key.
//! `DELAY_TARGET` is where `webapp` listens, if not on port 8080. Stop `webapp` and see how tasks wait for it.

use delay::http::{Dispatcher, Keys};
use delay::{BoxError, Runtime};

#[path = "webapp/jobs.rs"]
mod jobs;

#[delay::main]
async fn main() -> Result<(), BoxError> {
    let store = std::env::var("DELAY_STORE").unwrap_or_else(|_| "sqlite:dispatcher.db".into());
    let rt = Runtime::open(store).await?;
    let keys = Keys::new(std::env::var("DELAY_KEY")?.parse()?);
    let target = std::env::var("DELAY_TARGET").unwrap_or_else(|_| "http://127.0.0.1:8080".into());
    // What may be reached is said in code; where a queue's tasks go, here or in a file of queues.
    Dispatcher::new(&rt, keys).allow(&target).target("mail", &target).start().await?;

    let mut sent = Vec::new();
    for name in ["grace", "alan"] {
        let task = jobs::Welcome::task(name).header("Sent-By", "the dispatcher");
        sent.push((name, task.add(&rt).await?));
    }
    for (name, task) in sent {
        let record = task.finished().await?;
        println!("{name}: {}, attempts: {}", record.state, record.attempt);
    }
    rt.stop().await?;
    Ok(())
}
