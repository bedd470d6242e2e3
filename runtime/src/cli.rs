//! The command line tool: looks at a store, and does to its tasks what operators do.
//!
//! It is the program `delay`, and a function to build into a program of your own, whose delayed functions it then knows
//! with their parameters and places:
//!
//! ```no_run
//! # mod my_jobs {}
//! use std::process::ExitCode;
//! use my_jobs as _; // the crate with the delayed functions
//!
//! #[delay::main]
//! async fn main() -> ExitCode {
//!     delay::cli::main().await
//! }
//! ```
//!
//! # The store
//! `--store URL`, or the variable `DELAY_STORE`. Every command but `migrate`, `bench` and `stats` (and `ps` and `kill`,
//! which ask the workers of this machine) wants it to be there already, with tables
//! of this version: none makes a file, and those that only look change nothing.
//!
//! # Exit codes
//! | code | meaning |
//! |---|---|
//! | 0 | done; also if whoever reads the output has seen enough (`delay tasks \| head`) |
//! | 1 | not done, or not all of it: an id is unknown, a task is in the wrong state, the store failed on the way |
//! | 2 | the command makes no sense: an unknown option, no store, a function that nobody knows, no `--yes`, a file with mistakes |
//! | 3 | the store cannot be opened: missing, not permitted, damaged, another application's, or of another version |
//! | 4 | nothing was done, because the answer to the question was no |
//! | 5 | `doctor` has found trouble, and told it |
//!
//! # JSON
//! With `--json`, standard output gets one JSON document on one line, or nothing. Ids are strings, times RFC 3339,
//! lengths of time numbers of seconds, and what there is not is `null`; names and order of the fields stay, new ones may
//! be added. An error is one document on standard error, `{"error": {"exit", "code", "message", "causes", "help"}}`,
//! and so is a mistake in the command itself.
//!
//! This file owns the command line's grammar. What a command does is in a file of its own below `cli/`, and none of
//! them knows a concrete store.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

mod access;
mod act;
mod bench;
mod complaint;
mod confirm;
mod doctor;
mod document;
mod exit;
mod filter;
mod functions;
mod ids;
mod migrate;
mod options;
mod output;
#[cfg(all(feature = "process", target_os = "linux"))]
mod processes;
mod queues;
mod resolve;
mod show;
mod stats;
mod table;
mod tasks;
mod text;
mod walk;
mod workers;

use complaint::Complaint;
use exit::Exit;
use output::Output;

/// Looks at a store of delayed tasks, and does to them what operators do.
#[derive(Debug, Parser)]
#[command(name = "delay", version, after_help = exit::HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Common {
    /// The store, such as `sqlite:jobs.db`
    // The value is not shown in the help: it may hold a password.
    #[arg(long, global = true, display_order = 100)]
    #[arg(value_name = "URL", env = "DELAY_STORE", hide_env_values = true)]
    store: Option<String>,
    /// Gives one JSON document instead of text, and errors as JSON
    #[arg(long, global = true, display_order = 101)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists tasks
    Tasks(tasks::TasksArgs),
    /// Shows all that is known of a task
    Show(show::ShowArgs),
    /// Makes tasks ready now, their attempts counted anew: held, failed, cancelled and scheduled ones
    Retry(act::ActArgs),
    /// Sets tasks aside: ready ones at once, running programs as soon as they are stored; `resume` lets them go on
    Suspend(act::ActArgs),
    /// Lets held tasks run again, from where they were
    Resume(act::ActArgs),
    /// Takes tasks back: those that wait at once, running ones through their worker
    Cancel(act::ActArgs),
    /// Removes tasks with all that is known of them; asks before it does
    Delete(act::ActArgs),
    /// Brings the store's tables up to date, and makes a store that is not there
    Migrate(migrate::MigrateArgs),
    /// Lists functions: linked into this program, announced by workers, or waited for by tasks
    Functions,
    /// Lists the queues with their tasks by state and their configuration; or changes that
    Queues(queues::QueuesArgs),
    /// Lists the workers that the store knows
    Workers,
    /// Lists the processes that functions run in, of this user's workers on this machine
    #[cfg(all(feature = "process", target_os = "linux"))]
    Ps,
    /// Kills processes that functions run in; their attempts end as failed
    #[cfg(all(feature = "process", target_os = "linux"))]
    Kill(processes::KillArgs),
    /// Looks for what is wrong, or soon will be, with the place where tasks live, and says what to do
    Doctor(doctor::DoctorArgs),
    /// Shows what this process uses of the machine, and what its control group allows
    Stats,
    /// Measures enqueueing, draining and latency, on a store that it makes and removes
    Bench(bench::BenchArgs),
}

/// Runs the tool with the arguments of this process.
///
/// # Cancel safety
/// Dropping the future may leave the command done, partly done, or not done.
pub async fn main() -> ExitCode {
    run(std::env::args_os()).await
}

/// Runs the tool with these arguments, the first being the program's name: for a program in which the tool is one
/// command of several.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let exit = delay::cli::run(["my-app admin", "queues", "--store", "sqlite:jobs.db"]).await;
/// # }
/// ```
///
/// # Cancel safety
/// As [`main`].
pub async fn run(args: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    match Cli::try_parse_from(&args) {
        Ok(cli) => {
            let output = Output::new(cli.common.json);
            let done = cli.command.run(cli.common.store.as_deref(), &output).await;
            done.unwrap_or_else(|complaint| output.complain(&complaint)).into()
        }
        Err(error) => {
            // Not parsed, so looked for by hand: a program that asks for JSON gets its mistakes as JSON, too.
            let json = args.iter().skip(1).any(|arg| arg == "--json");
            output::refuse(&error, json).into()
        }
    }
}

impl Command {
    async fn run(&self, store: Option<&str>, output: &Output) -> Result<Exit, Complaint> {
        use crate::store::Action;
        if let Self::Stats = self {
            stats::run(output)?;
            return Ok(Exit::Done);
        }
        // Processes are of this machine and not of a store.
        #[cfg(all(feature = "process", target_os = "linux"))]
        match self {
            Self::Ps => return processes::list(output).map(|()| Exit::Done),
            Self::Kill(args) => return args.run(output).map(|()| Exit::Done),
            _ => {}
        }
        let url = access::url(store)?;
        match self {
            Self::Tasks(args) => args.run(url, output).await,
            Self::Show(args) => args.run(url, output).await,
            Self::Retry(args) => args.run(Action::Retry, url, output).await,
            Self::Suspend(args) => args.run(Action::Suspend, url, output).await,
            Self::Resume(args) => args.run(Action::Release, url, output).await,
            Self::Cancel(args) => args.run(Action::Cancel, url, output).await,
            Self::Delete(args) => args.run(Action::Delete, url, output).await,
            Self::Migrate(args) => args.run(url, output).await,
            Self::Functions => functions::run(url, output).await,
            Self::Queues(args) => args.run(url, output).await,
            Self::Workers => workers::run(url, output).await,
            Self::Bench(args) => args.run(url, output).await,
            Self::Doctor(args) => return args.run(url, output).await,
            Self::Stats => Ok(()),
            #[cfg(all(feature = "process", target_os = "linux"))]
            Self::Ps | Self::Kill(_) => Ok(()),
        }?;
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_names_every_exit_code() {
        let help = Cli::command().render_help().to_string();
        for exit in Exit::ALL {
            assert!(help.contains(&format!("\n  {} ", exit as u8)), "{exit:?} is missing in:\n{help}");
        }
    }
}
