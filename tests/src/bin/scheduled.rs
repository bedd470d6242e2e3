//! A program with a function on a schedule: `scheduled work STORE HISTORY` works and writes down each run; with other
//! arguments it is the command line tool.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use delay::{Context, Runtime};
use delay_tests::history::{Journal, What};

static JOURNAL: OnceLock<Journal> = OnceLock::new();

fn note(text: String) {
    JOURNAL.get().expect("opened first of all").write([What::Note { text }]);
}

#[delay::func("every-second", cron = "* * * * * *", time_zone = "Europe/Berlin")]
async fn every_second(ctx: &Context) {
    let tick = ctx.tick().expect("nobody else calls it").duration_since(UNIX_EPOCH).expect("after 1970");
    note(format!("tick {}", tick.as_secs()));
}

async fn work(store: &str, history: PathBuf) -> delay::Result<()> {
    let journal = Journal::open(&history).expect("the history can be opened");
    assert!(JOURNAL.set(journal).is_ok(), "set once");
    Runtime::open(format!("sqlite:{store}")).await?.run().await
}

#[delay::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let [_, _, store, history] = args.as_slice() else { return delay::cli::main().await };
    match work(store, history.into()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}
