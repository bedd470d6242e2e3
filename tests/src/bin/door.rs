//! A receiver of tasks in a process of its own: `door STORE KEY`. It says where it listens, and what runs, line by line.

use std::io::Write as _;
use std::process::ExitCode;

use delay::Context;
use delay::http::{Auth, Door, Keys, serve};
use tokio::net::TcpListener;

fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    // Whoever started it may be gone.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

#[delay::func("slow", queue = "far")]
async fn slow(ctx: &Context) {
    say(&format!("begun {} {}", ctx.task(), ctx.attempt()));
    // The test kills it here, or lets it go on.
    let mut line = String::new();
    let read = tokio::task::spawn_blocking(move || std::io::stdin().read_line(&mut line)).await;
    say(&format!("ended {} {}", ctx.task(), read.is_ok()));
}

async fn run(store: &str, key: &str, address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let rt = delay::Runtime::builder(store).lease("1s").build().await?;
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let server = serve(listener, Door::new(&rt, Auth::signed(Keys::new(key.parse()?))));
    let served = tokio::spawn(server);
    rt.start().await?;
    say(&format!("listening {address}"));
    served.await??;
    Ok(())
}

#[delay::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [store, key, address] = args.as_slice() else { return ExitCode::FAILURE };
    match run(store, key, address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
