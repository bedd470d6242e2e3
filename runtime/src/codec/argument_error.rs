//! Why the arguments of a task do not fit its function.
//!
//! Owns the sentences that tell an operator what to change. It never holds the payload.

use std::fmt;

use super::mismatch::Mismatch;

/// The names that an error lists before it only counts.
const MAX_NAMES: usize = 8;

/// An argument that is missing, of another type, or not a parameter of the function.
///
/// The task is held with its payload untouched: a worker with the right version of the function, or one whose
/// parameters say where an argument went (`#[default]`, `#[rename_from = "…"]`, `removed("…")`), can still run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentError {
    argument: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Missing {
        present: Names,
    },
    Mismatch(Box<Mismatch>),
    Unknown {
        others: usize,
        taken: Names,
    },
    #[cfg(any(feature = "wasmi", feature = "wasmtime"))]
    Unpackable(String),
}

impl ArgumentError {
    /// The name of the argument; the first one if there are several.
    pub fn argument(&self) -> &str {
        &self.argument
    }

    /// Whether the payload lacks the argument.
    pub fn is_missing(&self) -> bool {
        matches!(self.kind, Kind::Missing { .. })
    }

    /// Whether the payload has an argument that the function has no parameter for.
    pub fn is_unknown(&self) -> bool {
        matches!(self.kind, Kind::Unknown { .. })
    }

    /// What a program takes cannot be handed to it.
    #[cfg(any(feature = "wasmi", feature = "wasmtime"))]
    #[cold]
    pub(crate) fn unpackable(text: String) -> Self {
        Self { argument: String::new(), kind: Kind::Unpackable(text) }
    }

    #[cold]
    pub(super) fn missing<'a>(argument: &str, present: impl Iterator<Item = &'a str>) -> Self {
        Self { argument: argument.to_owned(), kind: Kind::Missing { present: Names::of(present) } }
    }

    #[cold]
    pub(super) fn mismatch(argument: &str, mismatch: Mismatch) -> Self {
        Self { argument: argument.to_owned(), kind: Kind::Mismatch(Box::new(mismatch)) }
    }

    #[cold]
    pub(super) fn unknown<'a>(argument: &str, others: usize, taken: impl Iterator<Item = &'a str>) -> Self {
        let kind = Kind::Unknown { others, taken: Names::of(taken) };
        Self { argument: super::describe::shorten(argument), kind }
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.argument;
        match &self.kind {
            Kind::Missing { present } if present.count == 0 => {
                write!(f, "argument `{name}` is missing; the payload has no arguments")
            }
            Kind::Missing { present } => write!(f, "argument `{name}` is missing; the payload has {present}"),
            Kind::Mismatch(mismatch) => write!(f, "argument `{name}`: {mismatch}"),
            #[cfg(any(feature = "wasmi", feature = "wasmtime"))]
            Kind::Unpackable(text) => write!(f, "the arguments cannot be handed to the program: {text}"),
            Kind::Unknown { others, taken } => {
                write!(f, "argument `{name}` is not a parameter of this function")?;
                match others {
                    0 => {}
                    1 => f.write_str(", nor is 1 more")?,
                    more => write!(f, ", nor are {more} more")?,
                }
                if taken.count > 0 {
                    write!(f, " (it took {taken})")?;
                }
                write!(f, "; `#[rename_from = \"{name}\"]` or `removed(\"{name}\")` says where it went")
            }
        }
    }
}

impl std::error::Error for ArgumentError {}

/// The first of some names, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Names {
    first: Vec<String>,
    count: usize,
}

impl Names {
    fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut all = Self { first: Vec::new(), count: 0 };
        for name in names {
            all.count += 1;
            if all.count <= MAX_NAMES {
                all.first.push(super::describe::shorten(name));
            }
        }
        all
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, name) in self.first.iter().enumerate() {
            write!(f, "{}`{name}`", if n == 0 { "" } else { ", " })?;
        }
        match self.count - self.first.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
