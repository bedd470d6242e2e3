//! Any bytes as text: for people, and as JSON for programs.
//!
//! Owns how values look on a terminal and in an error. It never fails and never recurses: what cannot be decoded is
//! shown as it is, with the reason. Its output holds no control character that a payload could steer a terminal with.

use std::fmt::Write as _;

use super::scan::{self, MAX_DEPTH, scan};
use super::token::{Reader, Token};

/// A string in an error is cut after so many characters.
const MAX_QUOTED: usize = 40;

/// Byte strings are cut after so many bytes in text for people.
const MAX_BYTES: usize = 32;

/// Shows a value to people, in one line: `{"to": "ada", "photo": h'89504e47…' (70123 bytes)}`.
///
/// Byte strings are shortened; everything else is shown whole.
pub(crate) fn describe(bytes: &[u8]) -> String {
    match scan(bytes) {
        Ok(_) => render(bytes, Form::Text),
        Err(error) => format!("{} (not a MessagePack value: {error})", hex_for_people(bytes)),
    }
}

/// The value as JSON, for programs.
///
/// What JSON does not have becomes: byte strings `{"bytes": "<hex>"}`, extensions `{"extension": <number>, "bytes":
/// "<hex>"}`, NaN and the infinities `null`, keys that are no strings their text. Bytes that cannot be decoded become
/// `{"undecodable": "<hex>", "reason": "<why>"}`. Nothing is shortened, and it nests as deep as the value, which is deeper than some parsers read.
#[allow(dead_code, reason = "see its re-export")]
pub(crate) fn to_json(bytes: &[u8]) -> String {
    match scan(bytes) {
        Ok(_) => render(bytes, Form::Json),
        Err(error) => {
            let mut json = format!("{{\"undecodable\": \"{}\", \"reason\": ", hex(bytes));
            quote(&mut json, &error.to_string());
            json.push('}');
            json
        }
    }
}

/// The first value in `bytes` in a few words: `string "abc"`, `array of 3`, `integer 5`.
pub(super) fn kind(bytes: &[u8]) -> String {
    match Reader::new(bytes).next() {
        Ok(Token::Nil) => "nil".into(),
        Ok(Token::Bool(value)) => format!("boolean {value}"),
        Ok(Token::Integer(value)) => format!("integer {value}"),
        Ok(Token::Float32(value)) => format!("float {value:?}"),
        Ok(Token::Float64(value)) => format!("float {value:?}"),
        Ok(Token::Str(text)) => format!("string \"{}\"", shorten(text)),
        Ok(Token::Bytes(data)) => format!("bytes of {}", data.len()),
        Ok(Token::Extension(number, data)) => format!("extension {number} of {}", data.len()),
        Ok(Token::Array(elements)) => format!("array of {elements}"),
        Ok(Token::Map(entries)) => format!("map of {entries}"),
        Err(error) => format!("malformed bytes ({error})"),
    }
}

/// At most 40 characters of a text, escaped.
pub(super) fn shorten(text: &str) -> String {
    let mut short = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(MAX_QUOTED) {
        escape(&mut short, character);
    }
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

/// A container whose end has not been written.
struct Open {
    is_map: bool,
    /// The values that are still to come; a map's keys count.
    left: usize,
}

impl Open {
    fn key_is_next(&self) -> bool {
        self.is_map && self.left.is_multiple_of(2)
    }

    fn end(&self) -> char {
        if self.is_map { '}' } else { ']' }
    }
}

/// Writes a value that has been scanned.
fn render(bytes: &[u8], form: Form) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    let mut open: Vec<Open> = Vec::new();
    let mut reader = Reader::new(bytes);
    loop {
        let start = reader.offset();
        let token = reader.next().expect("the bytes were scanned");
        let key_is_next = open.last().is_some_and(Open::key_is_next);
        if form == Form::Json && key_is_next && !matches!(token, Token::Str(_)) {
            let end = scan::value(bytes, start, MAX_DEPTH).expect("the bytes were scanned").end;
            quote(&mut out, &render(&bytes[start..end], Form::Text));
            reader = Reader::at(bytes, end);
        } else if let Some(left) = token.children() {
            let container = Open { is_map: matches!(token, Token::Map(_)), left };
            out.push(if container.is_map { '{' } else { '[' });
            if container.left > 0 {
                open.push(container);
                continue;
            }
            out.push(container.end());
        } else {
            scalar(&mut out, token, form);
        }
        // A value has been written, and with it every container whose last value it was.
        loop {
            let Some(container) = open.last_mut() else {
                return out;
            };
            container.left -= 1;
            if container.left > 0 {
                let after_key = container.is_map && !container.key_is_next();
                out.push_str(if after_key { ": " } else { ", " });
                break;
            }
            out.push(container.end());
            open.pop();
        }
    }
}

fn scalar(out: &mut String, token: Token<'_>, form: Form) {
    let written = match (token, form) {
        (Token::Nil, Form::Text) => write!(out, "nil"),
        (Token::Nil, Form::Json) => write!(out, "null"),
        (Token::Bool(value), _) => write!(out, "{value}"),
        (Token::Integer(value), _) => write!(out, "{value}"),
        (Token::Float32(value), Form::Json) if !value.is_finite() => write!(out, "null"),
        (Token::Float64(value), Form::Json) if !value.is_finite() => write!(out, "null"),
        (Token::Float32(value), _) => write!(out, "{value:?}"),
        (Token::Float64(value), _) => write!(out, "{value:?}"),
        (Token::Str(text), _) => {
            quote(out, text);
            Ok(())
        }
        (Token::Bytes(data), Form::Text) => write!(out, "{}", hex_for_people(data)),
        (Token::Bytes(data), Form::Json) => write!(out, "{{\"bytes\": \"{}\"}}", hex(data)),
        (Token::Extension(-1, data), Form::Text) if timestamp(data).is_some() => {
            let (seconds, nanoseconds) = timestamp(data).unwrap_or_default();
            write!(out, "timestamp({seconds} s + {nanoseconds} ns)")
        }
        (Token::Extension(number, data), Form::Text) => {
            write!(out, "extension({number}, {})", hex_for_people(data))
        }
        (Token::Extension(number, data), Form::Json) => {
            write!(out, "{{\"extension\": {number}, \"bytes\": \"{}\"}}", hex(data))
        }
        (Token::Array(_) | Token::Map(_), _) => unreachable!("containers are written by their walker"),
    };
    written.expect("a string takes whatever is written");
}

/// The one extension that the format itself defines: seconds since 1970 and nanoseconds.
fn timestamp(data: &[u8]) -> Option<(i64, u32)> {
    if let Ok(seconds) = data.try_into().map(u32::from_be_bytes) {
        return Some((seconds.into(), 0));
    }
    if let Ok(both) = data.try_into().map(u64::from_be_bytes) {
        // 30 bits of nanoseconds, 34 bits of seconds.
        return Some(((both & 0x3_ffff_ffff) as i64, (both >> 34) as u32));
    }
    let (nanoseconds, seconds) = data.split_first_chunk()?;
    Some((i64::from_be_bytes(seconds.try_into().ok()?), u32::from_be_bytes(*nanoseconds)))
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        escape(out, character);
    }
    out.push('"');
}

/// Escapes as JSON does, and beyond it whatever could move a cursor or turn the direction of a line.
fn escape(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            unicode(out, character)
        }
        _ if character.is_control() => unicode(out, character),
        _ => out.push(character),
    }
}

fn unicode(out: &mut String, character: char) {
    write!(out, "\\u{:04x}", u32::from(character)).expect("a string takes whatever is written");
}

fn hex_for_people(data: &[u8]) -> String {
    match data.get(..MAX_BYTES) {
        Some(first) if data.len() > MAX_BYTES => format!("h'{}…' ({} bytes)", hex(first), data.len()),
        _ => format!("h'{}'", hex(data)),
    }
}

fn hex(data: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    data.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::super::to_vec;
    use super::*;

    fn shown(value: impl Serialize) -> (String, String) {
        let bytes = to_vec(&value).expect("it is encodable");
        (describe(&bytes), to_json(&bytes))
    }

    fn both(text: &str) -> (String, String) {
        (text.into(), text.into())
    }

    #[test]
    fn values_look_as_in_json() {
        assert_eq!(shown(("a", 1, -1, u64::MAX, true)), both("[\"a\", 1, -1, 18446744073709551615, true]"));
        assert_eq!(
            shown(BTreeMap::from([("n", vec![1, 2]), ("x", vec![])])),
            both("{\"n\": [1, 2], \"x\": []}")
        );
        assert_eq!(shown(BTreeMap::<u8, u8>::new()), both("{}"));
        assert_eq!(shown((0.1_f32, 0.1, 1.0, 1e300)), both("[0.1, 0.1, 1.0, 1e300]"));
        assert_eq!(shown(()), ("nil".into(), "null".into()));
    }

    #[test]
    fn what_json_does_not_have_is_replaced() {
        assert_eq!(shown((f64::NAN, f32::INFINITY)), ("[NaN, inf]".into(), "[null, null]".into()));
        assert_eq!(shown(7_u128).1, "{\"bytes\": \"00000000000000000000000000000007\"}");
        let keys = [0x84, 1, 2, 0x91, 0xa1, b'"', 3, 0x81, 0x80, 0xc0, 4, 0xc4, 1, 255, 5];
        assert_eq!(describe(&keys), r#"{1: 2, ["\""]: 3, {{}: nil}: 4, h'ff': 5}"#);
        assert_eq!(to_json(&keys), r#"{"1": 2, "[\"\\\"\"]": 3, "{{}: nil}": 4, "h'ff'": 5}"#);
    }

    #[test]
    fn extensions_are_named() {
        assert_eq!(describe(&[0xd4, 5, 0xab]), "extension(5, h'ab')");
        assert_eq!(to_json(&[0xd4, 5, 0xab]), "{\"extension\": 5, \"bytes\": \"ab\"}");
        assert_eq!(describe(&[0xd6, 0xff, 0, 0, 1, 0]), "timestamp(256 s + 0 ns)");
        let eight = ((999_999_999_u64 << 34) | 0x3_ffff_ffff).to_be_bytes();
        assert_eq!(
            describe(&[&[0xd7, 0xff], eight.as_slice()].concat()),
            "timestamp(17179869183 s + 999999999 ns)"
        );
        let twelve = [&[0xc7, 12, 0xff], 7_u32.to_be_bytes().as_slice(), &(-1_i64).to_be_bytes()].concat();
        assert_eq!(describe(&twelve), "timestamp(-1 s + 7 ns)");
        assert_eq!(describe(&[0xd5, 0xff, 1, 2]), "extension(-1, h'0102')");
    }

    #[test]
    fn strings_cannot_steer_a_terminal() {
        let hostile = "\u{1b}[2J\u{202e}\u{9b}\u{7f}\0\n\"\\";
        let safe = r#""\u001b[2J\u202e\u009b\u007f\u0000\n\"\\""#;
        assert_eq!(shown(hostile), both(safe));
        assert_eq!(shorten("\u{1b}"), "\\u001b");
        assert_eq!(shown("grüße 🎉"), both("\"grüße 🎉\""));
    }

    #[test]
    fn long_byte_strings_are_shortened_for_people_alone() {
        let bytes = [&[0xc4, 33], [0xab; 33].as_slice()].concat();
        assert_eq!(describe(&bytes), format!("h'{}…' (33 bytes)", "ab".repeat(32)));
        assert_eq!(to_json(&bytes), format!("{{\"bytes\": \"{}\"}}", "ab".repeat(33)));
        let bytes = [&[0xc4, 32], [0xab; 32].as_slice()].concat();
        assert_eq!(describe(&bytes), format!("h'{}'", "ab".repeat(32)));
    }

    #[test]
    fn undecodable_bytes_are_shown_with_the_reason() {
        assert_eq!(
            describe(&[]),
            "h'' (not a MessagePack value: at byte 0: the input ends before the value does)"
        );
        assert_eq!(
            describe(&[1, 2]),
            "h'0102' (not a MessagePack value: at byte 1: 1 byte follows the value)"
        );
        assert_eq!(
            to_json(&[1, 2]),
            "{\"undecodable\": \"0102\", \"reason\": \"at byte 1: 1 byte follows the value\"}"
        );
    }

    #[test]
    fn nesting_to_the_limit_is_shown_and_deeper_is_undecodable() {
        let nested = |depth| [&vec![0x91; depth], [0xc0].as_slice()].concat();
        assert_eq!(describe(&nested(128)), format!("{}nil{}", "[".repeat(128), "]".repeat(128)));
        assert!(describe(&nested(1_000_000)).ends_with("nested deeper than 128 levels)"));
        // As keys of each other, too: the text is as long as the bytes, not exponential in the depth.
        let keys = [[0x81; 128].as_slice(), &[0xc0; 129]].concat();
        assert!(describe(&keys).len() < 1500);
        assert!(to_json(&keys).len() < 1500);
    }

    #[test]
    fn kinds_are_a_few_words() {
        let kinds: [(&[u8], &str); 10] = [
            (&[0xc0], "nil"),
            (&[0xc3], "boolean true"),
            (&[0xff], "integer -1"),
            (&[0xca, 0x3f, 0xc0, 0, 0], "float 1.5"),
            (&[0xa1, b'a'], "string \"a\""),
            (&[0xc4, 1, 0], "bytes of 1"),
            (&[0xd4, 5, 0], "extension 5 of 1"),
            (&[0x91, 0], "array of 1"),
            (&[0x80], "map of 0"),
            (&[], "malformed bytes (at byte 0: the input ends before the value does)"),
        ];
        for (bytes, words) in kinds {
            assert_eq!(kind(bytes), words);
        }
        assert_eq!(shorten(&"é".repeat(40)), "é".repeat(40));
        assert_eq!(shorten(&"é".repeat(41)), format!("{}…", "é".repeat(40)));
    }
}
