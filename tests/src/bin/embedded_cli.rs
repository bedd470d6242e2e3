//! A program with functions of its own and the command line tool built in, and a command of its own that enqueues.

use std::process::ExitCode;

use delay::Context;

/// Has moved: tasks of its old place still wait.
#[delay::func("welcome-email", queue = "mail", retry(limit = 5), timeout = "2m", alias = "old-place/src/a.rs:hello")]
async fn welcome(_ctx: &Context, to: String, times: u32) {
    println!("{to} {times}");
}

#[delay::main]
async fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("enqueue") => {
            let url = std::env::var("DELAY_STORE").unwrap_or_else(|_| "memory:".to_owned());
            let added = async {
                let client = delay::Client::open(url).await?;
                Welcome::call(&client, "ada".to_owned(), 3).await?;
                client.store().close().await
            };
            match added.await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{error:?}");
                    ExitCode::FAILURE
                }
            }
        }
        // `embedded_cli admin tasks`: the tool as one command of several.
        Some("admin") => delay::cli::run(std::env::args_os().skip(1)).await,
        _ => delay::cli::main().await,
    }
}
