//! From YAML to a tree. Owns what of YAML is taken: one document without anchors, aliases and tags, as in the original.

use granit_parser::{Event, Marker, Parser, ScalarStyle, options};

use super::fields::Report;
use super::tree::{Entry, Form, Node, Place, Value};

/// Deeper than any file of queues needs: a queue's retry parameters have depth 4.
const DEEPEST: usize = 16;

/// A list or a map whose end has not come.
struct Open {
    at: Place,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    /// The key whose value has not come yet, at the end.
    Map(Vec<Entry>, Option<(String, Place)>),
}

/// The tree of a text; none, and a mistake, if it is not well-formed.
pub(super) fn tree(text: &str, report: &mut Report) -> Option<Node> {
    let options =
        options! { emit_comments: false, block_nesting_limit: DEEPEST, flow_nesting_limit: DEEPEST };
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                report.mistake(place(*error.marker()), format!("this is not YAML: {}", error.kind()));
                return None;
            }
        };
        let at = place(span.start);
        let ended = match event {
            Event::DocumentStart(..) if root.is_some() => {
                report.mistake(at, "a second document begins: expected one".to_owned());
                return None;
            }
            Event::Alias(_) | Event::Scalar(_, _, 1.., _) => {
                report.mistake(at, "anchors and aliases are not taken: write the value out".to_owned());
                return None;
            }
            Event::SequenceStart(_, 1.., _) | Event::MappingStart(_, 1.., _) => {
                report.mistake(at, "anchors and aliases are not taken: write the value out".to_owned());
                return None;
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, _, Some(_))
            | Event::MappingStart(_, _, Some(_)) => {
                report.mistake(at, "tags are not taken: write the value without its `!`".to_owned());
                return None;
            }
            Event::SequenceStart(..) => {
                open.push(Open { at, kind: Kind::List(Vec::new()) });
                None
            }
            Event::MappingStart(..) => {
                open.push(Open { at, kind: Kind::Map(Vec::new(), None) });
                None
            }
            Event::Scalar(text, style, _, _) => {
                let nothing =
                    style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value =
                    if nothing { Value::Nothing } else { Value::Scalar(text.into_owned(), Form::Any) };
                Some(Node { at, value })
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|open| match open.kind {
                Kind::List(nodes) => Node { at: open.at, value: Value::List(nodes) },
                Kind::Map(entries, _) => Node { at: open.at, value: Value::Map(entries) },
            }),
            _ => None,
        };
        if let Some(node) = ended {
            match open.last_mut() {
                None => root = Some(node),
                Some(open) => put(node, &mut open.kind, report)?,
            }
        }
    }
    Some(root.unwrap_or(Node { at: Place::START, value: Value::Nothing }))
}

/// Puts a node where it belongs in what is open around it.
fn put(node: Node, kind: &mut Kind, report: &mut Report) -> Option<()> {
    match kind {
        Kind::List(nodes) => nodes.push(node),
        Kind::Map(entries, key) => match (key.take(), node.value) {
            (Some((key, at)), value) => entries.push(Entry { key, at, node: Node { at: node.at, value } }),
            (None, Value::Scalar(text, _)) => *key = Some((text, node.at)),
            (None, _) => {
                report.mistake(node.at, "expected a word before the `:`".to_owned());
                return None;
            }
        },
    }
    Some(())
}

fn place(marker: Marker) -> Place {
    Place { line: marker.line().max(1), column: marker.col() + 1 }
}
