//! From TOML to a tree. Owns nothing but the walk: TOML's own rules are its parser's.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::fields::Report;
use super::tree::{Entry, Form, Node, Place, Value};

/// The tree of a text; none, and the mistakes, if it is not well-formed.
pub(super) fn tree(text: &str, report: &mut Report) -> Option<Node> {
    let places = Places(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let value = map(table.get_ref(), &places);
        return Some(Node { at: Place::START, value });
    }
    for error in errors {
        let at = error.span().map_or(Place::START, |span| places.of(span));
        report.mistake(at, format!("this is not TOML: {}", error.message().replace('\n', ", ")));
    }
    None
}

fn map(table: &DeTable<'_>, places: &Places<'_>) -> Value {
    let entries = table.iter().map(|(key, value)| {
        let node = Node { at: places.of(value.span()), value: node(value.get_ref(), places) };
        Entry { key: key.get_ref().clone().into_owned(), at: places.of(key.span()), node }
    });
    Value::Map(entries.collect())
}

/// Recurses as deep as the text nests, which the parser has limited.
fn node(value: &DeValue<'_>, places: &Places<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Scalar(text.clone().into_owned(), Form::Text),
        DeValue::Integer(number) => Value::Scalar(number.to_string(), Form::Number),
        DeValue::Float(number) => Value::Scalar(number.to_string(), Form::Number),
        DeValue::Boolean(flag) => Value::Scalar(flag.to_string(), Form::Flag),
        DeValue::Datetime(time) => Value::Scalar(time.to_string(), Form::Time),
        DeValue::Array(items) => {
            let items = items.iter();
            Value::List(
                items
                    .map(|item| Node { at: places.of(item.span()), value: node(item.get_ref(), places) })
                    .collect(),
            )
        }
        DeValue::Table(table) => map(table, places),
    }
}

/// Turns offsets in bytes into places.
struct Places<'a>(&'a str);

impl Places<'_> {
    fn of(&self, span: Range<usize>) -> Place {
        let before = self.0.get(..span.start).unwrap_or(self.0);
        Place::after(before)
    }
}
