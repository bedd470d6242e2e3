//! Where words go: the document or the text to standard output, everything else to standard error.
//! A reader that has seen enough is no error, and nothing here panics over a closed pipe.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use clap::error::ErrorKind as Mistake;
use serde::Serialize;

use super::complaint::{Complaint, Style};
use super::exit::Exit;

/// How a command answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { form: if json { Form::Json } else { Form::Text } }
    }

    /// Answers, in the form that was asked for. `text` ends its own lines.
    pub(super) fn answer(
        &self,
        document: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Complaint> {
        let answer = match self.form {
            Form::Text => text(),
            Form::Json => {
                let document = serde_json::to_string(document)
                    .map_err(|error| Complaint::new(Exit::Failed, format!("cannot write JSON: {error}")))?;
                document + "\n"
            }
        };
        let mut stdout = io::stdout().lock();
        match stdout.write_all(answer.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Complaint::new(Exit::Failed, format!("cannot write to standard output: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Tells people something beside the answer.
    pub(super) fn note(&self, text: &str) {
        if self.form == Form::Text {
            to_stderr(&format!("{text}\n"));
        }
    }

    /// Tells what went wrong; the exit code is the complaint's.
    pub(super) fn complain(&self, complaint: &Complaint) -> Exit {
        match self.form {
            Form::Text => to_stderr(&complaint.to_text(style())),
            Form::Json => {
                let document = serde_json::to_string(&complaint.document()).unwrap_or_default();
                to_stderr(&format!("{document}\n"));
            }
        }
        complaint.exit
    }

    /// The terminal's width, if the answer is text for one: tables fit into it.
    pub(super) fn width(&self) -> Option<u16> {
        if !io::stdout().is_terminal() {
            return None;
        }
        terminal_size::terminal_size().map(|(width, _)| width.0)
    }
}

/// Tells why the command line was not understood; help that was asked for is no mistake.
pub(super) fn refuse(error: &clap::Error, json: bool) -> Exit {
    let asked = matches!(error.kind(), Mistake::DisplayHelp | Mistake::DisplayVersion);
    if asked || !json {
        // Clap knows the stream and the colours; a closed pipe is nobody's concern.
        let _ = error.print();
        return if asked { Exit::Done } else { Exit::Usage };
    }
    let text = error.render().to_string();
    let text = text.trim().trim_start_matches("error: ");
    let complaint = match text.split_once("\n\n") {
        Some((message, help)) => Complaint::usage(message).help(help),
        None => Complaint::usage(text),
    };
    Output::new(json).complain(&complaint)
}

/// Colours are for terminals, and for those who have not said no (<https://no-color.org>).
fn style() -> Style {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if io::stderr().is_terminal() && !refused { Style::Colour } else { Style::Plain }
}

pub(super) fn to_stderr(text: &str) {
    // There is nobody left to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
