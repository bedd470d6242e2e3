//! The question before something that cannot be taken back.

use std::io::{BufRead, IsTerminal as _, stdin};

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::to_stderr;

/// Goes on only if somebody at a terminal says yes.
pub(super) fn confirm(question: &str) -> Result<(), Complaint> {
    if !stdin().is_terminal() {
        let message = format!("{question} There is nobody to answer: standard input is not a terminal");
        return Err(Complaint::usage(message).help("add `--yes` if that is what you want"));
    }
    ask(question, stdin().lock())
}

fn ask(question: &str, mut answers: impl BufRead) -> Result<(), Complaint> {
    to_stderr(&format!("{question} [y/N] "));
    let mut answer = String::new();
    let read = answers.read_line(&mut answer);
    if read.is_ok() && ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Complaint::new(Exit::Declined, "nothing was done: it was not confirmed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for yes in ["y\n", "Yes\n", "YES"] {
            ask("Sure?", yes.as_bytes()).unwrap();
        }
        for no in ["", "\n", "n\n", "yesterday\n", "\u{0}"] {
            assert_eq!(ask("Sure?", no.as_bytes()).unwrap_err().exit, Exit::Declined, "{no:?}");
        }
    }
}
