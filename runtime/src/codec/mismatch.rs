//! A value that is not of the type it was decoded as: where, what was expected, what was found.
//!
//! Owns the wording. It runs on the error path alone, so it walks the bytes again rather than have every successful
//! decoding keep notes.

use std::any;
use std::fmt::{self, Write as _};

use super::describe;
use super::guard::Trail;
use super::scan::{self, MAX_DEPTH};
use super::token::{Reader, Token};

/// Texts come from the type and from the data; both may be of any length.
const MAX_TEXT: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// Such as `lines[2].price`; empty for the value as a whole.
    path: String,
    reason: Reason,
    found: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    /// Serde's words for what it wanted, such as `a string`.
    Expected(String),
    /// Anything else, and the type that was being decoded.
    Other(String, String),
}

impl Mismatch {
    /// Explains why `value`, which has been scanned, is no `T`.
    #[cold]
    pub(super) fn new<T>(value: &[u8], trail: Trail, reason: String) -> Self {
        let (path, offset) = locate(value, trail);
        let there = describe::kind(&value[offset..]);
        if let Some((found, expected)) = serde_words(&reason) {
            let found = if names_same_kind(found, &there) { there } else { plain(found) };
            return Self { path, reason: Reason::Expected(cut(expected)), found: cut(&found) };
        }
        let name = short_type_name(any::type_name::<T>());
        Self { path, reason: Reason::Other(cut(&reason), name), found: there }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "at `{}`: ", self.path)?;
        }
        let found = &self.found;
        match &self.reason {
            Reason::Expected(expected) => write!(f, "expected {expected}, found {found}"),
            Reason::Other(text, name) => write!(f, "{text} (found {found} while decoding `{name}`)"),
        }
    }
}

/// Follows the trail into the value: the path in words, and where it leads.
fn locate(value: &[u8], trail: Trail) -> (String, usize) {
    let (mut path, mut at) = (String::new(), 0);
    for position in trail.into_positions() {
        match child(value, at, position) {
            Some((step, offset)) => {
                path.push_str(&step);
                at = offset;
            }
            // A type that swallows errors leaves a trail that leads nowhere; what came before still helps.
            None => break,
        }
    }
    (path.trim_start_matches('.').to_owned(), at)
}

/// The name and the offset of the container's element or entry at `position`.
fn child(value: &[u8], container: usize, position: usize) -> Option<(String, usize)> {
    let skip = |offset| scan::value(value, offset, MAX_DEPTH).ok().map(|extent| extent.end);
    let mut reader = Reader::at(value, container);
    match reader.next().ok()? {
        Token::Array(elements) if position < elements => {
            let at = (0..position).try_fold(reader.offset(), |at, _| skip(at))?;
            Some((format!("[{position}]"), at))
        }
        Token::Map(entries) if position < entries => {
            let key = (0..2 * position).try_fold(reader.offset(), |at, _| skip(at))?;
            let name = match Reader::at(value, key).next().ok()? {
                Token::Str(name) => format!(".{}", describe::shorten(name)),
                _ => format!("[{}]", describe::kind(&value[key..])),
            };
            Some((name, skip(key)?))
        }
        _ => None,
    }
}

/// What was found and what was expected, from serde's sentence about it.
fn serde_words(reason: &str) -> Option<(&str, &str)> {
    let rest = reason.strip_prefix("invalid type: ").or_else(|| reason.strip_prefix("invalid value: "))?;
    // What was found may be a text that holds these words itself.
    rest.rsplit_once(", expected ")
}

/// Whether serde's name for a kind of value is the one that `describe` calls by the first word of `there`.
///
/// They differ when the type looked at something inside a part that serde had buffered.
fn names_same_kind(serde: &str, there: &str) -> bool {
    let word = |text: &str| text.split([' ', '`']).next().unwrap_or_default().to_owned();
    let serde = match &*word(serde) {
        "sequence" => "array".to_owned(),
        "unit" | "Option" => "nil".to_owned(),
        "floating" => "float".to_owned(),
        "byte" => "bytes".to_owned(),
        same => same.to_owned(),
    };
    serde == word(there)
}

fn plain(serde: &str) -> String {
    serde.replace('`', "")
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `core::option::Option<alloc::string::String>` is `Option<String>` to everybody.
fn short_type_name(name: &str) -> String {
    let mut short = String::new();
    let mut rest = name;
    while let Some(end) = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        let (path, tail) = rest.split_at(end);
        short.push_str(path.rsplit("::").next().unwrap_or(path));
        let mut characters = tail.chars();
        short.extend(characters.next());
        rest = characters.as_str();
    }
    let _ = short.write_str(rest.rsplit("::").next().unwrap_or(rest));
    short
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::super::{from_slice, to_vec};
    use super::*;

    /// Writes one type, reads another, and returns the complaint.
    fn complaint<T>(value: impl Serialize) -> String
    where
        T: for<'de> Deserialize<'de> + Send + fmt::Debug,
    {
        let bytes = to_vec(&value).expect("it is encodable");
        from_slice::<T>(&bytes).expect_err("the types differ").to_string()
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Order<P> {
        lines: Vec<Line<P>>,
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Line<P> {
        name: String,
        price: P,
    }

    fn order<P>(prices: impl IntoIterator<Item = P>) -> Order<P> {
        let line = |price| Line { name: "tea".into(), price };
        Order { lines: prices.into_iter().map(line).collect() }
    }

    #[test]
    fn both_sides_are_named() {
        assert_eq!(complaint::<String>(5), "expected a string, found integer 5");
        assert_eq!(complaint::<u32>("abc"), "expected u32, found string \"abc\"");
        assert_eq!(complaint::<u8>(300), "expected u8, found integer 300");
        assert_eq!(complaint::<u8>(-1), "expected u8, found integer -1");
        assert_eq!(complaint::<bool>(1), "expected a boolean, found integer 1");
        assert_eq!(complaint::<u32>(1.5), "expected u32, found float 1.5");
        assert_eq!(complaint::<u32>([1, 2, 3]), "expected u32, found array of 3");
        assert_eq!(complaint::<String>(()), "expected a string, found nil");
        assert_eq!(complaint::<Vec<u8>>(BTreeMap::from([(1, 2)])), "expected a sequence, found map of 1");
        assert_eq!(complaint::<Order<u8>>("x"), "expected struct Order, found string \"x\"");
        assert_eq!(complaint::<char>("xy"), "expected a character, found string \"xy\"");
        assert_eq!(complaint::<u32>(1_u128), "expected u32, found bytes of 16");
    }

    #[test]
    fn the_place_of_a_nested_value_is_named() {
        let prices = || [None, Some("free")];
        assert_eq!(
            complaint::<Order<Option<u32>>>(order(prices())),
            "at `lines[1].price`: expected u32, found string \"free\""
        );
        assert_eq!(
            complaint::<(u8, BTreeMap<u8, Order<Option<u32>>>)>((1, BTreeMap::from([(7, order(prices()))]))),
            "at `[1][integer 7].lines[1].price`: expected u32, found string \"free\""
        );
        #[derive(Debug, Serialize, Deserialize)]
        enum Event<P> {
            Paid(P),
            Moved { to: P },
            Both(u8, P),
        }
        assert_eq!(complaint::<Event<u8>>(Event::Paid("x")), "at `Paid`: expected u8, found string \"x\"");
        assert_eq!(
            complaint::<Event<u8>>(Event::Moved { to: "x" }),
            "at `Moved.to`: expected u8, found string \"x\""
        );
        assert_eq!(
            complaint::<Event<u8>>(Event::Both(1, "x")),
            "at `Both[1]`: expected u8, found string \"x\""
        );
    }

    #[test]
    fn other_reasons_are_told_with_the_type() {
        #[derive(Debug, Serialize)]
        struct Nameless {
            price: u32,
        }
        assert_eq!(
            complaint::<Vec<Line<u32>>>([Nameless { price: 1 }]),
            "at `[0]`: missing field `name` (found map of 1 while decoding `Vec<Line<u32>>`)"
        );
        assert_eq!(
            complaint::<(u8, u8)>([1, 2, 3]),
            "the number of values inside is another one than the type has \
             (found array of 3 while decoding `(u8, u8)`)"
        );
        #[derive(Debug, Deserialize)]
        enum Colour {
            Red,
        }
        let _ = Colour::Red;
        assert_eq!(
            complaint::<Option<Colour>>("Blue"),
            "unknown variant `Blue`, expected `Red` (found string \"Blue\" while decoding `Option<Colour>`)"
        );
    }

    #[test]
    fn what_serde_has_buffered_is_told_in_its_words() {
        #[derive(Debug, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        enum Event<P> {
            Paid { price: P },
        }
        assert_eq!(
            complaint::<Vec<Event<u32>>>([Event::Paid { price: "free" }]),
            "at `[0]`: expected u32, found string \"free\""
        );
    }

    #[test]
    fn texts_are_cut() {
        let text = complaint::<u32>("x".repeat(1_000_000));
        assert_eq!(text, format!("expected u32, found string \"{}…\"", "x".repeat(40)));
        #[derive(Debug, Deserialize)]
        enum Colour {
            Red,
        }
        let _ = Colour::Red;
        assert!(complaint::<Colour>("x".repeat(1_000_000)).len() < 400);
        let found_in_text = complaint::<u32>("a, expected b");
        assert_eq!(found_in_text, "expected u32, found string \"a, expected b\"");
    }

    #[test]
    fn type_names_lose_their_paths() {
        let name =
            short_type_name(any::type_name::<Option<(BTreeMap<String, [Vec<u8>; 3]>, &'static str)>>());
        assert_eq!(name, "Option<(BTreeMap<String, [Vec<u8>; 3]>, &str)>");
        assert_eq!(short_type_name(any::type_name::<Box<dyn Send>>()), "Box<dyn Send>");
    }
}
