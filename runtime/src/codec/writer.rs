//! The stub's half of an invocation: arguments into a payload.
//!
//! Owns the canonical form of a payload, `{"function": …, "arguments": {name: value, …}}` in that order. It never
//! enforces a size limit; it says which argument to blame when somebody else does.

use serde::Serialize;

use super::encode::{self, Cause, EncodeError};
use super::invocation::{BEFORE_ARGUMENTS, BEFORE_FUNCTION};
use super::scan::MAX_DEPTH;

/// The payload's map and the map of arguments are open around every argument.
const ARGUMENT_DEPTH: usize = MAX_DEPTH - 2;

/// A payload that names its function and a few short arguments fits without growing.
const USUAL_SIZE: usize = 256;

/// Writes one payload, argument by argument, into one buffer.
///
/// The first error is kept and reported by [`finish`](Self::finish), so that a stub reads as one chain of arguments.
#[derive(Debug)]
pub(crate) struct InvocationWriter {
    bytes: Vec<u8>,
    announced: usize,
    written: usize,
    largest: Option<(&'static str, usize)>,
    error: Option<EncodeError>,
}

/// A finished payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    /// The name and the encoded size in bytes of the largest argument.
    pub(crate) largest: Option<(&'static str, usize)>,
}

impl InvocationWriter {
    /// Begins a call of `function` with exactly `parameter_count` arguments.
    pub(crate) fn new(function: &str, parameter_count: usize) -> Self {
        let mut bytes = Vec::with_capacity(USUAL_SIZE.max(prefix_size(function)));
        write_prefix(&mut bytes, function);
        write_map_len(&mut bytes, parameter_count);
        Self { bytes, announced: parameter_count, written: 0, largest: None, error: None }
    }

    /// Adds one argument.
    pub(crate) fn argument<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        self.add(name, |bytes| encode::append(bytes, value, ARGUMENT_DEPTH));
    }

    /// Adds one argument that is an array of all `values`, however many there turn out to be.
    pub(crate) fn rest<T: Serialize>(&mut self, name: &'static str, values: impl IntoIterator<Item = T>) {
        self.add(name, |bytes| {
            let start = bytes.len();
            let values = values.into_iter();
            // The header is right at once for whatever knows its length, and is replaced for the others.
            let expected = values.size_hint().0;
            write_array_len(bytes, expected);
            let header = start..bytes.len();
            let mut count = 0;
            for value in values {
                encode::append(bytes, &value, ARGUMENT_DEPTH - 1)?;
                count += 1;
            }
            if count != expected {
                let mut right = Vec::with_capacity(5);
                write_array_len(&mut right, count);
                bytes.splice(header, right);
            }
            Ok(())
        });
    }

    /// The payload.
    ///
    /// # Errors
    ///
    /// The first argument that could not be encoded, by name.
    pub(crate) fn finish(self) -> Result<Encoded, EncodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.written != self.announced {
            let cause = Cause::Count { announced: self.announced, written: self.written };
            return Err(EncodeError { argument: None, cause });
        }
        Ok(Encoded { bytes: self.bytes, largest: self.largest })
    }

    fn add(&mut self, name: &'static str, value: impl FnOnce(&mut Vec<u8>) -> Result<(), Cause>) {
        if self.error.is_some() {
            return;
        }
        write_str(&mut self.bytes, name);
        let start = self.bytes.len();
        if let Err(cause) = value(&mut self.bytes) {
            self.error = Some(EncodeError { argument: Some(name), cause });
            return;
        }
        self.written += 1;
        let size = self.bytes.len() - start;
        if self.largest.is_none_or(|(_, most)| size > most) {
            self.largest = Some((name, size));
        }
    }
}

/// The bytes with which every payload for `function` begins that an [`InvocationWriter`] has written, and no payload
/// for another function: the name's length is part of them.
pub(crate) fn invocation_prefix(function: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(prefix_size(function));
    write_prefix(&mut bytes, function);
    bytes
}

/// Enough for the prefix and the header of the arguments.
fn prefix_size(function: &str) -> usize {
    32 + function.len()
}

fn write_prefix(bytes: &mut Vec<u8>, function: &str) {
    bytes.extend(BEFORE_FUNCTION);
    write_str(bytes, function);
    bytes.extend(BEFORE_ARGUMENTS);
}

pub(super) fn write_str(bytes: &mut Vec<u8>, text: &str) {
    rmp::encode::write_str(bytes, text).expect("a vector takes whatever is written");
}

pub(super) fn write_map_len(bytes: &mut Vec<u8>, entries: usize) {
    rmp::encode::write_map_len(bytes, header(entries)).expect("a vector takes whatever is written");
}

fn write_array_len(bytes: &mut Vec<u8>, elements: usize) {
    rmp::encode::write_array_len(bytes, header(elements)).expect("a vector takes whatever is written");
}

/// A size hint may be any number; what is really written never reaches the format's limit.
fn header(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::{Arguments, Invocation};
    use super::*;

    fn payload(function: &str, write: impl FnOnce(&mut InvocationWriter), count: usize) -> Encoded {
        let mut writer = InvocationWriter::new(function, count);
        write(&mut writer);
        writer.finish().expect("the arguments are encodable")
    }

    fn rest_of(values: impl IntoIterator<Item = u32>) -> Vec<u8> {
        payload("f", |writer| writer.rest("all", values), 1).bytes
    }

    #[test]
    fn a_payload_is_a_map_of_function_and_arguments_by_name() {
        let encoded = payload(
            "app/mail.rs:welcome",
            |writer| {
                writer.argument("to", "ada");
                writer.argument("n", &5_u32);
            },
            2,
        );
        let mut expected = vec![0x82, 0xa8];
        expected.extend(b"function");
        expected.push(0xa0 + 19);
        expected.extend(b"app/mail.rs:welcome");
        expected.push(0xa9);
        expected.extend(b"arguments");
        expected.extend([0x82, 0xa2, b't', b'o', 0xa3, b'a', b'd', b'a', 0xa1, b'n', 5]);
        assert_eq!(encoded.bytes, expected);
        assert_eq!(encoded.largest, Some(("to", 4)));
    }

    #[test]
    fn a_payload_begins_with_the_prefix_of_its_function_and_of_no_other() {
        for len in [0, 1, 31, 32, 255, 256, 65_535, 65_536] {
            let name = "f".repeat(len);
            let encoded = payload(&name, |writer| writer.argument("x", &1), 1);
            assert!(encoded.bytes.starts_with(&invocation_prefix(&name)), "a name of {len} bytes");
            assert!(!encoded.bytes.starts_with(&invocation_prefix(&format!("{name}f"))));
            if let Some(shorter) = name.strip_suffix('f') {
                assert!(!encoded.bytes.starts_with(&invocation_prefix(shorter)));
            }
            let invocation = Invocation::parse(&encoded.bytes).expect("it was just written");
            assert_eq!(invocation.function, name);
        }
    }

    #[test]
    fn any_number_of_arguments_is_written_and_read() {
        let names: [&'static str; 40] = std::array::from_fn(|n| &*format!("a{n}").leak());
        for count in [0, 1, 15, 16, 40] {
            let encoded = payload(
                "f",
                |writer| names[..count].iter().for_each(|name| writer.argument(name, name)),
                count,
            );
            let invocation = Invocation::parse(&encoded.bytes).expect("it was just written");
            let mut arguments = Arguments::parse(invocation.arguments).expect("it was just written");
            for name in &names[..count] {
                assert_eq!(arguments.required::<String>(name).expect("it is there"), *name);
            }
            arguments.finish().expect("all were taken");
        }
    }

    #[test]
    fn rest_is_the_shortest_array_whatever_the_iterator_promised() {
        for count in [0_u32, 1, 15, 16, 65_535, 65_536] {
            let values = || 0..count;
            let direct = payload("f", |writer| writer.argument("all", &values().collect::<Vec<_>>()), 1);
            assert_eq!(rest_of(values()), direct.bytes, "{count} values of a known number");
            assert_eq!(
                rest_of(values().filter(|_| true)),
                direct.bytes,
                "{count} values of an unknown number"
            );
        }
    }

    #[test]
    fn the_first_error_is_kept_and_names_its_argument() {
        let unwritable = std::collections::BTreeMap::from([(1, std::path::PathBuf::from("ok"))]);
        let bad = std::time::UNIX_EPOCH - std::time::Duration::from_secs(1);
        let mut writer = InvocationWriter::new("f", 3);
        writer.argument("paths", &unwritable);
        writer.argument("since", &bad);
        writer.argument("until", &bad);
        let error = writer.finish().expect_err("a time before the epoch cannot be written");
        assert_eq!(error.argument, Some("since"));
        assert_eq!(
            error.to_string(),
            "argument `since` cannot be encoded: SystemTime must be later than UNIX_EPOCH"
        );
    }

    #[test]
    fn a_wrong_number_of_arguments_is_an_error() {
        let mut writer = InvocationWriter::new("f", 2);
        writer.argument("only", &1);
        let error = writer.finish().expect_err("one is missing");
        assert_eq!(
            error.to_string(),
            "the value cannot be encoded: 2 arguments were announced, but 1 were written"
        );
    }

    #[test]
    fn depth_is_counted_from_the_payload() {
        #[derive(Serialize)]
        struct Link(Option<Box<(u8, Link)>>);
        let tower = |height| (0..height).fold(Link(None), |inner, _| Link(Some(Box::new((0, inner)))));

        let encoded = payload("f", |writer| writer.argument("tree", &tower(126)), 1);
        assert_eq!(super::super::scan::scan(&encoded.bytes), Ok(MAX_DEPTH));

        let mut writer = InvocationWriter::new("f", 1);
        writer.argument("tree", &tower(127));
        let error = writer.finish().expect_err("one level too many");
        assert_eq!(
            error.to_string(),
            "argument `tree` cannot be encoded: its arrays and maps are nested deeper than 126 levels"
        );

        let mut writer = InvocationWriter::new("f", 1);
        writer.rest("trees", [tower(125)]);
        assert_eq!(
            super::super::scan::scan(&writer.finish().expect("as deep as allowed").bytes),
            Ok(MAX_DEPTH)
        );
        let mut writer = InvocationWriter::new("f", 1);
        writer.rest("trees", [tower(126)]);
        writer.finish().expect_err("the array is a level, too");
    }

    #[test]
    fn the_largest_argument_is_known_by_its_encoded_size() {
        let encoded = payload(
            "f",
            |writer| {
                writer.argument("small", &1);
                writer.argument("large", "0123456789");
                writer.rest("middle", [1_u8, 2, 3]);
            },
            3,
        );
        assert_eq!(encoded.largest, Some(("large", 11)));
        assert_eq!(payload("f", |_| {}, 0).largest, None);
    }

    #[test]
    fn a_usual_payload_is_one_allocation() {
        let text = "x".repeat(100);
        let encoded = payload(
            "app/mail.rs:welcome",
            |writer| {
                writer.argument("to", &text);
                writer.argument("body", &text);
            },
            2,
        );
        assert_eq!(encoded.bytes.capacity(), USUAL_SIZE, "the buffer has not grown");
    }
}
