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
/// `{"undecodable": "<hex>", "reason": "<why>"}`. Nothing is shortened.
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
