//! A program with functions of its own and the command line tool built in, and a command of its own that enqueues.

use std::process::ExitCode;

use delay::{Context, Due, Task, TaskId};

#[delay::func("welcome-email", queue = "mail", retry(limit = 5), timeout = "2m", aliases = ["old/src/a.rs:hello"])]
async fn welcome(_ctx: &Context, to: String, times: u32) {
    println!("{to} {times}");
}

/// A call that was queued when the function stood elsewhere: `{function: "old/src/a.rs:hello", arguments: {}}`.
const OLD_CALL: &[u8] = b"\x82\xa8function\xb2old/src/a.rs:hello\xa9arguments\x80";

async fn enqueue() -> delay::Result<()> {
    let url = std::env::var("DELAY_STORE").unwrap_or_else(|_| "memory:".to_owned());
    let client = delay::Client::open(url).await?;
    Welcome::call(&client, "ada".to_owned(), 3).await?;
    let old = Task {
        id: TaskId::new(),
        queue: "old".into(),
        name: None,
        due: Due::Now,
        priority: 0,
        tag: None,
        options: None,
        payload: OLD_CALL.to_vec(),
    };
    client.store().push(vec![old]).await?;
    client.store().close().await
}

#[delay::main]
async fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("enqueue") => match enqueue().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:?}");
                ExitCode::FAILURE
            }
        },
        // `embedded_cli admin tasks`: the tool as one command of several.
        Some("admin") => delay::cli::run(std::env::args_os().skip(1)).await,
        _ => delay::cli::main().await,
    }
}
