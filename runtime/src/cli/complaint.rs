//! What the tool says when it cannot do what it was told: what happened, why, what to do next, and the exit code.
//! It decides on the wording's form and never on the stream that it goes to.

use std::error::Error as StdError;
use std::fmt;

use miette::{Diagnostic, ReportHandler};
use serde::Serialize;

use super::exit::Exit;
use super::text;
use crate::error::Error;

/// A command that was not, or not wholly, done.
#[derive(Debug)]
pub(super) struct Complaint {
    pub(super) exit: Exit,
    message: String,
    help: Option<String>,
    error: Option<Error>,
}

impl Complaint {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None, error: None }
    }

    /// A command that makes no sense.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The store failed while it was asked.
    pub(super) fn failed(error: Error) -> Self {
        Self { error: Some(error.clone()), ..Self::new(Exit::Failed, error.to_string()) }
    }

    /// The store cannot be opened; or its URL cannot be one, which is a mistake in the command.
    pub(super) fn unopened(error: Error) -> Self {
        let mistake = error.is_unknown_scheme() || error.is_invalid_option();
        let exit = if mistake { Exit::Usage } else { Exit::Store };
        Self { exit, ..Self::failed(error) }
    }

    /// What the command was given makes no sense.
    pub(super) fn mistaken(error: Error) -> Self {
        Self { exit: Exit::Usage, ..Self::failed(error) }
    }

    /// What to do next.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// For programs.
    pub(super) fn document(&self) -> impl Serialize {
        let error = ErrorDocument {
            exit: self.exit as u8,
            code: self.exit.as_str(),
            message: self.message.clone(),
            causes: causes(self).map(ToString::to_string).collect(),
            help: self.help.clone(),
        };
        Document { error }
    }

    /// For people.
    pub(super) fn to_text(&self, style: Style) -> String {
        /// Miette hands reports to a formatter; this is the way to one.
        struct Report<'a>(&'a Complaint, Style);
        impl fmt::Display for Report<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.1.debug(self.0, f)
            }
        }
        Report(self, style).to_string()
    }
}

#[derive(Debug, Serialize)]
struct Document {
    error: ErrorDocument,
}

#[derive(Debug, Serialize)]
struct ErrorDocument {
    exit: u8,
    code: &'static str,
    message: String,
    causes: Vec<String>,
    help: Option<String>,
}

fn causes<'a>(complaint: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(complaint.source(), |error| (*error).source())
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Complaint {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        // The message is the error's own, so the causes begin behind it.
        self.error.as_ref().and_then(StdError::source)
    }
}

impl Diagnostic for Complaint {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
}

/// How a report looks: as clap's own errors do, so that the tool speaks with one voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Colour,
}

impl ReportHandler for Style {
    fn debug(&self, complaint: &dyn Diagnostic, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (error, advice, end) = match self {
            Self::Plain => ("", "", ""),
            Self::Colour => ("\x1b[1;31m", "\x1b[32m", "\x1b[0m"),
        };
        writeln!(f, "{error}error:{end} {}", text::plain(&complaint.to_string()))?;
        let mut cause = complaint.source();
        while let Some(error) = cause {
            writeln!(f, "  cause: {}", text::plain(&error.to_string()))?;
            cause = error.source();
        }
        if let Some(help) = complaint.help() {
            writeln!(f, "  {advice}help:{end} {}", text::plain(&help.to_string()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn complaint() -> Complaint {
        let error = Error::with_source(Kind::Unreadable, "cannot read it", "no such file");
        Complaint::unopened(error).help("look elsewhere")
    }

    #[test]
    fn a_complaint_says_what_why_and_what_next() {
        let text = "error: cannot read it\n  cause: no such file\n  help: look elsewhere\n";
        assert_eq!(complaint().to_text(Style::Plain), text);
    }

    #[test]
    fn json_holds_the_same() {
        let expected = serde_json::json!({"error": {"exit": 3, "code": "store", "message": "cannot read it",
            "causes": ["no such file"], "help": "look elsewhere"}});
        assert_eq!(serde_json::to_value(complaint().document()).unwrap(), expected);
    }

    #[test]
    fn a_url_that_cannot_be_one_is_a_mistake_in_the_command() {
        let error = Error::new(Kind::UnknownScheme, "no such scheme");
        assert_eq!(Complaint::unopened(error).exit, Exit::Usage);
    }

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        let text = Complaint::usage("a\x1b[2Jb").to_text(Style::Plain);
        assert_eq!(text, "error: a\\u{1b}[2Jb\n");
    }
}
