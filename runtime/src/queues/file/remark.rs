//! What a reading has to say about a place in a file: mistakes, and words without effect.

use std::fmt;

use super::tree::Place;
use crate::error::{Error, Kind};

/// Something worth saying about a place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// What was found there, and what was expected.
    pub text: String,
}

impl Remark {
    pub(super) fn at(place: Place, text: String) -> Self {
        Self { line: place.line, column: place.column, text }
    }
}

/// The mistakes of a file, in the order of their places. Prints one per line, as compilers do: `file:line:column: text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    file: String,
    mistakes: Vec<Remark>,
}

impl FileError {
    pub(super) fn new(file: &str, mut mistakes: Vec<Remark>) -> Self {
        mistakes.sort();
        Self { file: file.to_owned(), mistakes }
    }

    /// A mistake that has no place.
    pub(super) fn whole(file: &str, text: &str) -> Self {
        Self::new(file, vec![Remark::at(Place::START, text.to_owned())])
    }

    /// The bytes after `before` are not UTF-8.
    pub(super) fn not_text(file: &str, before: &[u8]) -> Self {
        let place = Place::after(&String::from_utf8_lossy(before));
        let text = "this is not text: expected UTF-8, found other bytes".to_owned();
        Self::new(file, vec![Remark::at(place, text)])
    }

    /// The name of the file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What is wrong; there is at least one.
    #[must_use]
    pub fn mistakes(&self) -> &[Remark] {
        &self.mistakes
    }

    /// The crate's error with this as its source. (No `From`: a second one would make `?` ambiguous in closures.)
    #[must_use]
    pub fn into_error(self) -> Error {
        let message = match self.mistakes.len() {
            1 => format!("`{}` has a mistake", self.file),
            count => format!("`{}` has {count} mistakes", self.file),
        };
        Error::with_source(Kind::InvalidConfig, message, self)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Remark { line, column, text }) in self.mistakes.iter().enumerate() {
            let end = if n == 0 { "" } else { "\n" };
            write!(f, "{end}{}:{line}:{column}: {text}", self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for FileError {}
