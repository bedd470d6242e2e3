//! Opens a store as another user or in another process would, and says on one line of JSON how that went.
//!
//! `open_store URL`

use delay::{Client, Error};
use delay_tests::Opened;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::args().nth(1).expect("the URL of a store");
    let opened = match open(&url).await {
        Ok(tasks) => Opened { tasks: Some(tasks), kind: "none".into(), text: String::new() },
        Err(error) => Opened { tasks: None, kind: kind(&error).into(), text: error.chain() },
    };
    println!("{}", serde_json::to_string(&opened).expect("plain data"));
}

async fn open(url: &str) -> delay::Result<u64> {
    let client = Client::open(url).await?;
    let counts = client.store().counts().await?;
    client.store().close().await?;
    Ok(counts.iter().map(|count| count.tasks).sum())
}

fn kind(error: &Error) -> &'static str {
    match () {
        () if error.is_unreadable() => "unreadable",
        () if error.is_read_only() => "read only",
        () if error.is_corrupt() => "corrupt",
        () if error.is_disk_full() => "disk full",
        () if error.is_unavailable() => "unavailable",
        () => "another",
    }
}
