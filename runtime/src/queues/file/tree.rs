//! The tree that a text of either format becomes: values, and where each stands.

/// Where something stands; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// The place right after `text`, which begins the file.
    pub(super) fn after(text: &str) -> Self {
        let line = text.matches('\n').count() + 1;
        let last = text.rsplit('\n').next().unwrap_or_default();
        Self { line, column: last.chars().count() + 1 }
    }
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// A key without a value, or `null`.
    Nothing,
    Scalar(String, Form),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// What the format says about a scalar's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing: YAML's scalars are what is asked for, in quotes or not, as they were to App Engine.
    Any,
    Text,
    Number,
    Flag,
    Time,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Place,
    pub(super) node: Node,
}
