//! The tool as a program of its own. It knows stores; the functions of other programs it knows only by name.

use std::process::ExitCode;

#[delay::main]
async fn main() -> ExitCode {
    delay::cli::main().await
}
