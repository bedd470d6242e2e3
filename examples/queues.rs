//! Queues: a rate that holds over all workers, a pause, and a queue that is pulled from.
//!
//! `cargo run --example queues --features queues`. The queues are in `delay.toml` beside this file, and come to the store
//! when the runtime is built; `delay queues apply FILE` does the same from outside, and shows what it changes.

use std::time::Instant;

use delay::store::QueueEdit;
use delay::{Context, Enqueue as _, Runtime, TaskState, taskqueue};

#[delay::func("send", queue = "mail")]
async fn send(_ctx: &Context, n: u32) {
    println!("mail {n}");
}

#[delay::main]
async fn main() -> delay::Result<()> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/delay.toml");
    let rt = Runtime::builder(delay_examples::store()).queue_file(file).build().await?;
    rt.start().await?;

    // Three at once, as the bucket holds three, and then one each tenth of a second, however many workers there are.
    let begin = Instant::now();
    for handle in rt.add_all((1..=8).map(Send::task)).await? {
        handle?.finished().await?;
    }
    println!("8 mails in {} tenths of a second", begin.elapsed().as_millis() / 100);

    // An operator's `delay queues pause mail`: nothing begins, nothing is lost.
    let store = rt.client().store();
    store.configure(QueueEdit::Pause("mail".to_owned())).await?;
    let late = Send::call(&rt, 9).await?;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let waits = late.record().await?.state == TaskState::Ready;
    println!("paused: mail 9 {}", if waits { "waits" } else { "went" });
    store.configure(QueueEdit::Resume("mail".to_owned())).await?;
    late.finished().await?;

    // Pulled: any program that reaches the store takes tasks when it wants to, here all frames of one film.
    let frames = rt.client().taskqueue("frames")?;
    let tasks = ["1", "2", "3"].map(|n| taskqueue::pull(n).name(format!("frame-{n}")).tag("film"));
    frames.add_multi(tasks).await?;
    for leased in frames.lease_by_tag(100, "1m", "").await? {
        println!("{} of the {}", leased.name(), leased.tag().unwrap_or("heap"));
        frames.finish(&leased).await?; // refused if the lease was lost: somebody else has the frame then
    }
    println!("{} frames left", frames.stats().await?.tasks);
    rt.stop().await
}
