//! A process that ends well: what a function can do about it, and what is given back.
//!
//! `cargo run --example shutdown`, ctrl-c after a few pages, and once more to see it go on where it stopped. A second
//! ctrl-c ends it at once; even then nothing is lost, only done again.

use std::time::Duration;

use delay::store::{Filter, TaskRecord};
use delay::{Client, Context, Runtime};

const PAGES: u32 = 1000;

/// Takes long, and listens: it saves how far it has come, here as a task of its own, and returns.
#[delay::func("fetch", queue = "shutdown")]
async fn fetch(ctx: &Context, from: u32) -> delay::Result<()> {
    for page in from..=PAGES {
        tokio::select! {
            () = fetch_page(page) => println!("fetched page {page}"),
            () = ctx.stopping() => {
                println!("stopping: the rest is for later");
                Fetch::task(page).tag(format!("fetch from page {page}")).add(ctx).await?;
                break;
            }
        }
    }
    Ok(())
}

async fn fetch_page(_page: u32) {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Does not listen: it is dropped at the end of the grace period. (A plain `fn` cannot be dropped; let it ask
/// `ctx.is_stopping()` now and then.)
#[delay::func("ponder", queue = "shutdown")]
async fn ponder(ctx: &Context) {
    println!("pondering, attempt {}", ctx.attempt());
    std::future::pending().await
}

#[delay::main]
async fn main() -> delay::Result<()> {
    let url = delay_examples::store();
    let rt = Runtime::builder(&url).queues(["shutdown"]).grace("3s").build().await?;
    if waiting(rt.client()).await?.is_empty() {
        Fetch::task(1).tag("fetch").add(&rt).await?;
        Ponder::task().tag("ponder").add(&rt).await?;
    }
    // Until SIGTERM or ctrl-c. Then: no more claims, the grace period, and what has not ended is given back.
    rt.run().await?;

    let client = Client::open(&url).await?;
    println!("what waits for the next start:");
    for task in waiting(&client).await? {
        println!("  {}, attempts spent: {}", task.tag.unwrap_or_default(), task.attempt);
    }
    client.store().close().await
}

async fn waiting(client: &Client) -> delay::Result<Vec<TaskRecord>> {
    let filter = Filter { queue: Some("shutdown".to_owned()), limit: 1000, ..Filter::default() };
    let tasks = client.store().list(filter).await?;
    Ok(tasks.into_iter().filter(|task| !task.state.is_finished()).collect())
}
