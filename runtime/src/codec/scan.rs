//! The check that every foreign byte string passes before serde sees it.
//!
//! Owns the rules about structure: one value, whole, nothing after it, nested no deeper than [`MAX_DEPTH`]. One pass,
//! no recursion, no allocation. It never interprets a value.
//!
//! What it gives to those who decode afterwards:
//! 1. A length is never larger than the bytes that remain, so nothing is allocated for values that are not there.
//! 2. Containers nest at most [`MAX_DEPTH`] deep, so a decoder that recurses once per container is bounded.
//! 3. Strings are UTF-8: the format allows other bytes in them, `delay` does not.
//!
//! It does not bound recursion that consumes no bytes; `guard` does.

use std::fmt;

use super::token::Reader;

/// How many containers may be open at once.
///
/// A scalar has depth 0, `[1]` and `[]` have depth 1. Arguments sit at depth 2 of a payload.
pub(crate) const MAX_DEPTH: usize = 128;

/// Where a value ends, and how deeply it nests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// The offset of the first byte after the value.
    pub(super) end: usize,
    pub(super) depth: usize,
}

/// Checks that `bytes` are one well-formed value, and returns its depth.
///
/// # Errors
///
/// The first offence against the rules above, with its offset.
pub(crate) fn scan(bytes: &[u8]) -> Result<usize, ScanError> {
    let Extent { end: offset, depth } = value(bytes, 0, MAX_DEPTH)?;
    end(bytes, offset)?;
    Ok(depth)
}

/// Checks that nothing comes at `offset` or after it.
pub(super) fn end(bytes: &[u8], offset: usize) -> Result<(), ScanError> {
    match bytes.len() - offset {
        0 => Ok(()),
        extra => Err(ScanError { offset, kind: ScanErrorKind::Trailing { extra } }),
    }
}

/// Checks the one value that begins at `start` and may nest `limit` deep, at most [`MAX_DEPTH`].
#[inline]
pub(super) fn value(bytes: &[u8], start: usize, limit: usize) -> Result<Extent, ScanError> {
    let mut reader = Reader::at(bytes, start);
    match reader.skip()? {
        None => Ok(Extent { end: reader.offset(), depth: 0 }),
        // Nearly everything is shallow, and to clear room for the limit takes longer than the scan of a small payload.
        Some(_) => match container::<8>(Reader::at(bytes, start), limit) {
            Err(ScanError { kind: ScanErrorKind::TooDeep { .. }, .. }) => {
                container::<MAX_DEPTH>(Reader::at(bytes, start), limit)
            }
            extent => extent,
        },
    }
}

fn container<const ROOM: usize>(mut reader: Reader<'_>, limit: usize) -> Result<Extent, ScanError> {
    // For each open container, how many of its values have not ended.
    let mut open = [0; ROOM];
    let limit = limit.min(ROOM);
    let (mut level, mut depth) = (0, 0);
    loop {
        let offset = reader.offset();
        if let Some(children) = reader.skip()? {
            // An empty one counts, too: a decoder enters it.
            if level == limit {
                return Err(ScanError { offset, kind: ScanErrorKind::TooDeep { limit } });
            }
            depth = depth.max(level + 1);
            if children > 0 {
                open[level] = children;
                level += 1;
                continue;
            }
        }
        // A value has ended, and with it every container whose last value it was.
        loop {
            if level == 0 {
                return Ok(Extent { end: reader.offset(), depth });
            }
            open[level - 1] -= 1;
            if open[level - 1] > 0 {
                break;
            }
            level -= 1;
        }
    }
}

/// Bytes that are not one well-formed MessagePack value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanError {
    /// Where the offending token begins, in bytes from the start.
    pub(crate) offset: usize,
    pub(crate) kind: ScanErrorKind,
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScanErrorKind {
    /// The input ends where a value must begin, or inside a number or a length.
    Truncated,
    /// A length that the remaining bytes cannot hold.
    Lies { what: &'static str, claimed: usize, left: usize },
    /// The marker 0xc1, which the format never uses.
    Reserved,
    /// A string whose bytes are not UTF-8.
    NotUtf8,
    /// More containers inside each other than the limit.
    TooDeep { limit: usize },
    /// Bytes after the value.
    Trailing { extra: usize },
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: ", self.offset)?;
        match self.kind {
            ScanErrorKind::Truncated => f.write_str("the input ends before the value does"),
            ScanErrorKind::Lies { what, claimed, left } => {
                let unit = match what {
                    "array" => "elements",
                    "map" => "entries",
                    _ => "bytes",
                };
                write!(
                    f,
                    "the {what} claims {claimed} {unit}, which the rest cannot hold (bytes left: {left})"
                )
            }
            ScanErrorKind::Reserved => f.write_str("the marker 0xc1 is never used; this is not MessagePack"),
            ScanErrorKind::NotUtf8 => {
                f.write_str("the string is not UTF-8; send other bytes as a byte string")
            }
            ScanErrorKind::TooDeep { limit } => {
                write!(f, "arrays and maps are nested deeper than {limit} levels")
            }
            ScanErrorKind::Trailing { extra: 1 } => f.write_str("1 byte follows the value"),
            ScanErrorKind::Trailing { extra } => write!(f, "{extra} bytes follow the value"),
        }
    }
}

impl std::error::Error for ScanError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize, innermost: &[u8]) -> Vec<u8> {
        [&vec![0x91; depth], innermost].concat()
    }

    fn refusal(bytes: &[u8]) -> (usize, ScanErrorKind) {
        let error = scan(bytes).expect_err("the bytes must be refused");
        (error.offset, error.kind)
    }

    #[test]
    fn depth_counts_open_containers() {
        assert_eq!(scan(&[0xc0]), Ok(0));
        assert_eq!(scan(&[0x90]), Ok(1), "an empty array is entered, too");
        assert_eq!(scan(&[0x93, 1, 0x91, 1, 0x80]), Ok(2));
        assert_eq!(scan(&[0x82, 1, 0x91, 0x91, 1, 2, 3]), Ok(3));
    }

    #[test]
    fn nesting_is_accepted_up_to_the_limit_and_no_further() {
        assert_eq!(scan(&nested(MAX_DEPTH, &[1])), Ok(MAX_DEPTH));
        assert_eq!(scan(&nested(MAX_DEPTH - 1, &[0x80])), Ok(MAX_DEPTH));
        let too_deep = ScanErrorKind::TooDeep { limit: MAX_DEPTH };
        assert_eq!(refusal(&nested(MAX_DEPTH + 1, &[1])), (MAX_DEPTH, too_deep));
        assert_eq!(refusal(&nested(MAX_DEPTH, &[0x90])), (MAX_DEPTH, too_deep));
        assert_eq!(refusal(&nested(1_000_000, &[1])), (MAX_DEPTH, too_deep));
    }

    #[test]
    fn siblings_do_not_add_up_to_depth() {
        let mut bytes = vec![0xdc, 3, 0xe8];
        bytes.extend([0x91, 0x90].repeat(1000));
        assert_eq!(scan(&bytes), Ok(3));
    }

    #[test]
    fn a_lower_limit_holds_for_a_value_inside() {
        let bytes = nested(4, &[1]);
        assert_eq!(value(&bytes, 1, 3), Ok(Extent { end: 5, depth: 3 }));
        let error = value(&bytes, 1, 2).expect_err("one level too many");
        assert_eq!((error.offset, error.kind), (3, ScanErrorKind::TooDeep { limit: 2 }));
    }

    #[test]
    fn offences_are_found_where_they_are() {
        assert_eq!(refusal(&[]), (0, ScanErrorKind::Truncated));
        assert_eq!(refusal(&[0x92, 1]), (0, ScanErrorKind::Lies { what: "array", claimed: 2, left: 1 }));
        assert_eq!(refusal(&[0x92, 0x91, 1]), (3, ScanErrorKind::Truncated));
        assert_eq!(refusal(&[0x92, 1, 0xc1]), (2, ScanErrorKind::Reserved));
        assert_eq!(refusal(&[0x81, 0xa1, 0xff, 1]), (1, ScanErrorKind::NotUtf8));
        assert_eq!(refusal(&[1, 2, 3]), (1, ScanErrorKind::Trailing { extra: 2 }));
    }

    #[test]
    fn every_prefix_of_a_value_is_refused() {
        let whole = [0x82, 0xa1, b'a', 0x92, 0xcd, 1, 2, 0xc0, 0xd9, 2, b'x', b'y', 0xc4, 1, 7];
        scan(&whole).expect("the whole is a value");
        for len in 0..whole.len() {
            scan(&whole[..len]).expect_err("a part of it is none");
        }
    }

    #[test]
    fn errors_say_where_and_why() {
        let text = |bytes: &[u8]| scan(bytes).expect_err("the bytes must be refused").to_string();
        assert_eq!(
            text(&[0xdd, 0, 15, 66, 64, 1]),
            "at byte 0: the array claims 1000000 elements, which the rest cannot hold (bytes left: 1)"
        );
        assert_eq!(text(&[1, 1]), "at byte 1: 1 byte follows the value");
        assert_eq!(
            text(&nested(129, &[1])),
            "at byte 128: arrays and maps are nested deeper than 128 levels"
        );
    }
}
