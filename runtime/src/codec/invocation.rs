//! What a payload holds: the name of a function and its arguments, not yet decoded.
//!
//! Owns the reading of a payload's outer map, in either order of its keys. It never looks up the function and never
//! decodes an argument.

use super::decode::DecodeError;
use super::describe;
use super::scan::{self, MAX_DEPTH, scan};
use super::token::Reader;

/// A map of two and its first key: how every canonical payload begins.
pub(super) const BEFORE_FUNCTION: &[u8] = b"\x82\xa8function";

/// The second key, after the function's name and before the arguments.
pub(super) const BEFORE_ARGUMENTS: &[u8] = b"\xa9arguments";

/// The payload's own map is open around the map of arguments.
const ARGUMENTS_DEPTH: usize = MAX_DEPTH - 1;

/// A payload, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invocation<'a> {
    /// The function's name as the caller knew it, which may be an alias today.
    pub(crate) function: &'a str,
    /// The map of arguments; see [`Arguments::parse`](super::Arguments::parse).
    pub(crate) arguments: &'a [u8],
}

impl<'a> Invocation<'a> {
    /// Takes a payload apart without copying and without allocating.
    ///
    /// # Errors
    ///
    /// The bytes are not well-formed MessagePack, or not a map of exactly `function` and `arguments`. An unknown key is
    /// refused: it may change what the call means, and whoever wrote it is newer than this program.
    pub(crate) fn parse(payload: &'a [u8]) -> Result<Self, DecodeError> {
        match Self::parse_canonical(payload)? {
            Some(invocation) => Ok(invocation),
            None => Self::parse_map(payload),
        }
    }

    /// Reads what an `InvocationWriter` has written; none if it was written by somebody else.
    #[inline]
    fn parse_canonical(payload: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        if !payload.starts_with(BEFORE_FUNCTION) {
            return Ok(None);
        }
        let mut reader = Reader::at(payload, BEFORE_FUNCTION.len());
        let Some(function) = reader.string()? else {
            return Ok(None);
        };
        let key = reader.offset();
        if !payload[key..].starts_with(BEFORE_ARGUMENTS) {
            return Ok(None);
        }
        let start = key + BEFORE_ARGUMENTS.len();
        scan::end(payload, scan::value(payload, start, ARGUMENTS_DEPTH)?.end)?;
        let arguments = &payload[start..];
        Ok(Reader::new(arguments).map()?.map(|_| Self { function, arguments }))
    }

    /// Reads keys in any order and encoding, and finds out what is wrong otherwise.
    fn parse_map(payload: &'a [u8]) -> Result<Self, DecodeError> {
        // One pass: each part is scanned when it is reached, and nothing is decoded.
        let mut reader = Reader::new(payload);
        let Some(entries) = reader.map()? else {
            scan(payload)?;
            let found = describe::kind(payload);
            return Err(layout(format!("expected a map of `function` and `arguments`, found {found}")));
        };
        let (mut function, mut arguments) = (None, None);
        for _ in 0..entries {
            let key = reader.offset();
            match reader.string()? {
                Some("function") if function.is_none() => {
                    let value = reader.offset();
                    let Some(name) = reader.string()? else {
                        let found = describe::kind(&payload[value..]);
                        return Err(layout(format!("expected a string as `function`, found {found}")));
                    };
                    function = Some(name);
                }
                Some("arguments") if arguments.is_none() => {
                    let value = reader.offset();
                    let end = scan::value(payload, value, ARGUMENTS_DEPTH)?.end;
                    let map = &payload[value..end];
                    if Reader::new(map).map()?.is_none() {
                        let found = describe::kind(map);
                        return Err(layout(format!("expected a map as `arguments`, found {found}")));
                    }
                    arguments = Some(map);
                    reader = Reader::at(payload, end);
                }
                Some(twice @ ("function" | "arguments")) => {
                    return Err(layout(format!("the key `{twice}` occurs twice")));
                }
                _ => {
                    let key = describe::kind(&payload[key..]);
                    return Err(layout(format!(
                        "unknown key, {key}; a payload has `function` and `arguments` alone"
                    )));
                }
            }
        }
        scan::end(payload, reader.offset())?;
        match (function, arguments) {
            (Some(function), Some(arguments)) => Ok(Self { function, arguments }),
            (None, _) => Err(layout("the key `function` is missing".into())),
            (_, None) => Err(layout("the key `arguments` is missing".into())),
        }
    }
}

#[cold]
fn layout(text: String) -> DecodeError {
    DecodeError::layout(format!("the payload is not an invocation: {text}"))
}

#[cfg(test)]
mod tests {
    use super::super::InvocationWriter;
    use super::*;

    fn string(text: &str) -> Vec<u8> {
        super::super::to_vec(text).expect("a string is encodable")
    }

    /// A map whose keys and values are already encoded.
    fn map(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0x80 | u8::try_from(entries.len()).expect("a small map")];
        for (key, value) in entries {
            bytes.extend(string(key));
            bytes.extend(*value);
        }
        bytes
    }

    fn refusal(payload: &[u8]) -> String {
        Invocation::parse(payload).expect_err("the payload must be refused").to_string()
    }

    #[test]
    fn keys_are_read_in_either_order() {
        let function = string("app:f");
        let arguments = [0x81, 0xa1, b'x', 0x92, 1, 2];
        let expected = Invocation { function: "app:f", arguments: &arguments };
        let canonical = map(&[("function", &function), ("arguments", &arguments)]);
        assert_eq!(Invocation::parse(&canonical), Ok(expected));
        let reversed = map(&[("arguments", &arguments), ("function", &function)]);
        assert_eq!(Invocation::parse(&reversed), Ok(expected));
    }

    #[test]
    fn a_longer_encoding_of_the_same_map_is_read() {
        let mut payload = vec![0xdf, 0, 0, 0, 2];
        payload.extend([0xdb, 0, 0, 0, 8]);
        payload.extend(b"function");
        payload.extend([0xd9, 1, b'f']);
        payload.extend(string("arguments"));
        payload.extend([0xde, 0, 0]);
        let invocation = Invocation::parse(&payload).expect("it is well-formed");
        assert_eq!(invocation, Invocation { function: "f", arguments: &[0xde, 0, 0] });
    }

    #[test]
    fn what_is_no_invocation_is_refused_with_the_reason() {
        let f = string("f");
        let expect = |payload: &[u8], reason: &str| {
            assert_eq!(refusal(payload), format!("the payload is not an invocation: {reason}"));
        };
        expect(&[0x93, 1, 2, 3], "expected a map of `function` and `arguments`, found array of 3");
        expect(&[0x80], "the key `function` is missing");
        expect(&map(&[("arguments", &[0x80])]), "the key `function` is missing");
        expect(&map(&[("function", &f)]), "the key `arguments` is missing");
        expect(
            &map(&[("function", &[5]), ("arguments", &[0x80])]),
            "expected a string as `function`, found integer 5",
        );
        expect(
            &map(&[("function", &f), ("arguments", &[0x90])]),
            "expected a map as `arguments`, found array of 0",
        );
        expect(&map(&[("function", &f), ("function", &f)]), "the key `function` occurs twice");
        expect(
            &map(&[("function", &f), ("arguments", &[0x80]), ("arguments", &[0x80])]),
            "the key `arguments` occurs twice",
        );
        expect(
            &map(&[("function", &f), ("arguments", &[0x80]), ("priority", &[1])]),
            "unknown key, string \"priority\"; a payload has `function` and `arguments` alone",
        );
    }

    #[test]
    fn depth_is_counted_from_the_payload_in_either_order() {
        let function = string("f");
        for (levels, accepted) in [(126, true), (127, false)] {
            let arguments = [&[0x81, 0xa1, b'x'], vec![0x91; levels].as_slice(), &[1]].concat();
            for entries in [
                [("function", &function), ("arguments", &arguments)],
                [("arguments", &arguments), ("function", &function)],
            ] {
                let payload = map(&entries.map(|(key, value)| (key, value.as_slice())));
                assert_eq!(scan(&payload).is_ok(), accepted);
                assert_eq!(Invocation::parse(&payload).is_ok(), accepted);
            }
        }
    }

    #[test]
    fn malformed_bytes_are_refused_before_anything_is_read() {
        let mut writer = InvocationWriter::new("f", 1);
        writer.argument("x", &1);
        let whole = writer.finish().expect("it is encodable").bytes;
        for len in 0..whole.len() {
            Invocation::parse(&whole[..len]).expect_err("a part of a payload is none");
        }
        let reversed = map(&[("arguments", &[0x80]), ("function", &string("f"))]);
        assert_eq!(
            refusal(&[&reversed[..], &[0xc0]].concat()),
            "malformed bytes: at byte 23: 1 byte follows the value"
        );
        let longer = [&whole[..], &[0xc0]].concat();
        assert_eq!(
            refusal(&longer),
            format!("malformed bytes: at byte {}: 1 byte follows the value", whole.len())
        );
    }
}
