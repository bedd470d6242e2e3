//! One MessagePack token at a time: the only code that looks at marker bytes.
//!
//! Owns the checks that need nothing but the token itself: that it is whole, that its length fits the bytes that
//! remain, that a string is UTF-8. It never recurses, never allocates and knows nothing of nesting, which is `scan`'s.

use rmp::Marker;

use super::scan::{ScanError, ScanErrorKind};

/// A scalar, or the header of a container whose values are the tokens that follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Nil,
    Bool(bool),
    /// Wide enough for `i64` and `u64` alike.
    Integer(i128),
    Float32(f32),
    Float64(f64),
    Str(&'a str),
    Bytes(&'a [u8]),
    /// An extension type: its number and its data.
    Extension(i8, &'a [u8]),
    /// The count of elements that follow.
    Array(usize),
    /// The count of entries that follow, each a key and a value.
    Map(usize),
}

impl Token<'_> {
    /// For a container, how many values belong to it and come after it.
    pub(super) fn children(&self) -> Option<usize> {
        match *self {
            Token::Array(elements) => Some(elements),
            Token::Map(entries) => Some(entries * 2),
            _ => None,
        }
    }
}

/// Reads tokens from a slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// The length of the slice that offsets are counted in.
    len: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, len: bytes.len() }
    }

    /// A reader whose next token is the one at `offset`.
    #[inline]
    pub(super) fn at(bytes: &'a [u8], offset: usize) -> Self {
        Self { rest: bytes.get(offset..).unwrap_or_default(), len: bytes.len() }
    }

    /// The offset of the next token.
    #[inline]
    pub(super) fn offset(&self) -> usize {
        self.len - self.rest.len()
    }

    /// The next token.
    ///
    /// # Errors
    ///
    /// There is none, or it is malformed; with the offset at which it begins.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Token<'a>, ScanError> {
        let offset = self.offset();
        self.piece().and_then(Piece::token).map_err(|kind| ScanError { offset, kind })
    }

    /// The next token, if it is a string; it is passed over in any case.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Option<&'a str>, ScanError> {
        let offset = self.offset();
        let text = self.piece().and_then(|piece| match piece.class {
            Class::Str => piece.text().map(Some),
            _ => Ok(None),
        });
        text.map_err(|kind| ScanError { offset, kind })
    }

    /// The count of entries that follow, if the next token begins a map.
    #[inline(always)]
    pub(super) fn map(&mut self) -> Result<Option<usize>, ScanError> {
        let offset = self.offset();
        let piece = self.piece().map_err(|kind| ScanError { offset, kind })?;
        Ok((piece.class == Class::Map).then_some(piece.count))
    }

    /// Checks the next token without making a value of it; see [`Token::children`] for what it returns.
    #[inline(always)]
    pub(super) fn skip(&mut self) -> Result<Option<usize>, ScanError> {
        let offset = self.offset();
        self.piece().and_then(Piece::children).map_err(|kind| ScanError { offset, kind })
    }

    #[inline(always)]
    fn piece(&mut self) -> Result<Piece<'a>, ScanErrorKind> {
        let (&marker, rest) = self.rest.split_first().ok_or(ScanErrorKind::Truncated)?;
        let head = HEADS[usize::from(marker)];
        let (len, rest) = match head.length_bytes {
            0 => (head.length.into(), rest),
            1 => number(rest, |bytes| u8::from_be_bytes(bytes).into())?,
            2 => number(rest, |bytes| u16::from_be_bytes(bytes).into())?,
            // On a target whose addresses are narrower, a length that does not fit is one that lies.
            _ => number(rest, |bytes| usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX))?,
        };
        let size = match head.class {
            // The shortest element is one byte; the shortest entry is a key of one byte and a value of one byte.
            Class::Array if len > rest.len() => return Err(lies("array", len, rest)),
            Class::Map if len > rest.len() / 2 => return Err(lies("map", len, rest)),
            Class::Array | Class::Map => 0,
            Class::Str if len > rest.len() => return Err(lies("string", len, rest)),
            Class::Bytes if len > rest.len() => return Err(lies("byte string", len, rest)),
            Class::Extension => match rest {
                [] => return Err(ScanErrorKind::Truncated),
                [_number, data @ ..] if len > data.len() => return Err(lies("extension", len, data)),
                _ => len + 1,
            },
            Class::Reserved => return Err(ScanErrorKind::Reserved),
            _ if len > rest.len() => return Err(ScanErrorKind::Truncated),
            _ => len,
        };
        let (data, rest) = rest.split_at(size);
        self.rest = rest;
        Ok(Piece { marker, class: head.class, count: len, data })
    }
}

#[inline(always)]
fn number<const N: usize>(
    bytes: &[u8],
    read: impl FnOnce([u8; N]) -> usize,
) -> Result<(usize, &[u8]), ScanErrorKind> {
    let (number, rest) = bytes.split_first_chunk().ok_or(ScanErrorKind::Truncated)?;
    Ok((read(*number), rest))
}

#[cold]
fn lies(what: &'static str, claimed: usize, rest: &[u8]) -> ScanErrorKind {
    ScanErrorKind::Lies { what, claimed, left: rest.len() }
}

/// A token that is whole: its data is there, not yet interpreted.
struct Piece<'a> {
    marker: u8,
    class: Class,
    /// For a container, the count of its elements or entries.
    count: usize,
    data: &'a [u8],
}

impl<'a> Piece<'a> {
    #[inline(always)]
    fn children(self) -> Result<Option<usize>, ScanErrorKind> {
        match self.class {
            Class::Array => Ok(Some(self.count)),
            // Cannot overflow: the count was held against the bytes that remain.
            Class::Map => Ok(Some(self.count * 2)),
            // Most strings are names; for so few bytes, the general check is slower.
            Class::Str if self.data.len() < 32 && self.data.is_ascii() => Ok(None),
            Class::Str => self.text().map(|_| None),
            _ => Ok(None),
        }
    }

    fn token(self) -> Result<Token<'a>, ScanErrorKind> {
        Ok(match self.class {
            Class::Nil => Token::Nil,
            Class::Bool => Token::Bool(Marker::from_u8(self.marker) == Marker::True),
            Class::Fixed => Token::Integer(i8::from_be_bytes([self.marker]).into()),
            Class::Unsigned => {
                Token::Integer(self.data.iter().fold(0, |value, byte| value << 8 | i128::from(*byte)))
            }
            Class::Signed => {
                let first = self.data.first().map_or(0, |byte| i128::from(i8::from_be_bytes([*byte])));
                let others = self.data.iter().skip(1);
                Token::Integer(others.fold(first, |value, byte| value << 8 | i128::from(*byte)))
            }
            Class::Float => match *self.data {
                [a, b, c, d] => Token::Float32(f32::from_be_bytes([a, b, c, d])),
                [a, b, c, d, e, f, g, h] => Token::Float64(f64::from_be_bytes([a, b, c, d, e, f, g, h])),
                _ => return Err(ScanErrorKind::Truncated),
            },
            Class::Str => Token::Str(self.text()?),
            Class::Bytes => Token::Bytes(self.data),
            Class::Extension => match self.data {
                [number, data @ ..] => Token::Extension(i8::from_be_bytes([*number]), data),
                [] => return Err(ScanErrorKind::Truncated),
            },
            Class::Array => Token::Array(self.count),
            Class::Map => Token::Map(self.count),
            Class::Reserved => return Err(ScanErrorKind::Reserved),
        })
    }

    #[inline(always)]
    fn text(&self) -> Result<&'a str, ScanErrorKind> {
        std::str::from_utf8(self.data).map_err(|_| ScanErrorKind::NotUtf8)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Nil,
    Bool,
    /// An integer that is its own marker.
    Fixed,
    Unsigned,
    Signed,
    Float,
    Str,
    Bytes,
    Extension,
    Array,
    Map,
    Reserved,
}

/// What a marker says about the bytes after it.
#[derive(Clone, Copy, Debug)]
struct Head {
    class: Class,
    /// The size of the length that follows, if one does.
    length_bytes: u8,
    /// The length otherwise: of data, in bytes, or of a container, in elements or entries.
    length: u8,
}

/// A table, because the scan of a payload is a dozen unpredictable jumps otherwise.
static HEADS: [Head; 256] = {
    let mut heads = [Head { class: Class::Reserved, length_bytes: 0, length: 0 }; 256];
    let mut marker = 0;
    while marker < heads.len() {
        heads[marker] = head(Marker::from_u8(marker as u8));
        marker += 1;
    }
    heads
};

const fn head(marker: Marker) -> Head {
    let (class, length_bytes, length) = match marker {
        Marker::Null => (Class::Nil, 0, 0),
        Marker::False | Marker::True => (Class::Bool, 0, 0),
        Marker::FixPos(_) | Marker::FixNeg(_) => (Class::Fixed, 0, 0),
        Marker::U8 => (Class::Unsigned, 0, 1),
        Marker::U16 => (Class::Unsigned, 0, 2),
        Marker::U32 => (Class::Unsigned, 0, 4),
        Marker::U64 => (Class::Unsigned, 0, 8),
        Marker::I8 => (Class::Signed, 0, 1),
        Marker::I16 => (Class::Signed, 0, 2),
        Marker::I32 => (Class::Signed, 0, 4),
        Marker::I64 => (Class::Signed, 0, 8),
        Marker::F32 => (Class::Float, 0, 4),
        Marker::F64 => (Class::Float, 0, 8),
        Marker::FixStr(len) => (Class::Str, 0, len),
        Marker::Str8 => (Class::Str, 1, 0),
        Marker::Str16 => (Class::Str, 2, 0),
        Marker::Str32 => (Class::Str, 4, 0),
        Marker::Bin8 => (Class::Bytes, 1, 0),
        Marker::Bin16 => (Class::Bytes, 2, 0),
        Marker::Bin32 => (Class::Bytes, 4, 0),
        Marker::FixExt1 => (Class::Extension, 0, 1),
        Marker::FixExt2 => (Class::Extension, 0, 2),
        Marker::FixExt4 => (Class::Extension, 0, 4),
        Marker::FixExt8 => (Class::Extension, 0, 8),
        Marker::FixExt16 => (Class::Extension, 0, 16),
        Marker::Ext8 => (Class::Extension, 1, 0),
        Marker::Ext16 => (Class::Extension, 2, 0),
        Marker::Ext32 => (Class::Extension, 4, 0),
        Marker::FixArray(elements) => (Class::Array, 0, elements),
        Marker::Array16 => (Class::Array, 2, 0),
        Marker::Array32 => (Class::Array, 4, 0),
        Marker::FixMap(entries) => (Class::Map, 0, entries),
        Marker::Map16 => (Class::Map, 2, 0),
        Marker::Map32 => (Class::Map, 4, 0),
        Marker::Reserved => (Class::Reserved, 0, 0),
    };
    Head { class, length_bytes, length }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(bytes: &[u8]) -> Result<Token<'_>, ScanErrorKind> {
        let mut reader = Reader::new(bytes);
        let token = reader.next().map_err(|error| error.kind)?;
        let end = reader.offset() + token.children().unwrap_or_default();
        assert_eq!(end, bytes.len(), "the token has the size it claims");
        assert_eq!(Reader::new(bytes).skip(), Ok(token.children()), "to skip is to read");
        Ok(token)
    }

    #[test]
    fn every_integer_form_is_read_at_its_borders() {
        for value in [0, 1, 127, 128, 255, 256, 65_535, 65_536, u32::MAX.into(), 1 << 32, u64::MAX] {
            let mut bytes = Vec::new();
            rmp::encode::write_uint(&mut bytes, value).expect("a vector takes bytes");
            assert_eq!(only(&bytes), Ok(Token::Integer(value.into())));
        }
        for value in [-1, -32, -33, -128, -129, -32_768, -32_769, i32::MIN.into(), i64::MIN] {
            let mut bytes = Vec::new();
            rmp::encode::write_sint(&mut bytes, value).expect("a vector takes bytes");
            assert_eq!(only(&bytes), Ok(Token::Integer(value.into())));
        }
    }

    #[test]
    fn every_string_form_is_read_at_its_borders() {
        for len in [0, 1, 31, 32, 255, 256, 65_535, 65_536] {
            let text = "x".repeat(len);
            let mut bytes = Vec::new();
            rmp::encode::write_str(&mut bytes, &text).expect("a vector takes bytes");
            assert_eq!(only(&bytes), Ok(Token::Str(&text)));

            let mut bytes = Vec::new();
            rmp::encode::write_bin(&mut bytes, text.as_bytes()).expect("a vector takes bytes");
            assert_eq!(only(&bytes), Ok(Token::Bytes(text.as_bytes())));
        }
    }

    #[test]
    fn every_extension_form_is_read_at_its_borders() {
        for len in [0_u32, 1, 2, 3, 4, 8, 16, 17, 255, 256, 65_535, 65_536] {
            let data = vec![7; len as usize];
            let mut bytes = Vec::new();
            rmp::encode::write_ext_meta(&mut bytes, len, 9).expect("a vector takes bytes");
            bytes.extend(&data);
            assert_eq!(only(&bytes), Ok(Token::Extension(9, &data)));
        }
    }

    #[test]
    fn every_container_form_is_read_at_its_borders() {
        for count in [0_u32, 1, 15, 16, 65_535, 65_536] {
            let mut bytes = Vec::new();
            rmp::encode::write_array_len(&mut bytes, count).expect("a vector takes bytes");
            bytes.resize(bytes.len() + count as usize, 0xc0);
            assert_eq!(only(&bytes), Ok(Token::Array(count as usize)));

            let mut bytes = Vec::new();
            rmp::encode::write_map_len(&mut bytes, count).expect("a vector takes bytes");
            bytes.resize(bytes.len() + 2 * count as usize, 0xc0);
            assert_eq!(only(&bytes), Ok(Token::Map(count as usize)));
        }
    }

    #[test]
    fn a_token_that_ends_early_is_truncated_or_lies() {
        assert_eq!(only(&[]), Err(ScanErrorKind::Truncated));
        assert_eq!(only(&[0xcd, 1]), Err(ScanErrorKind::Truncated), "half of a u16");
        assert_eq!(only(&[0xcb, 0, 0]), Err(ScanErrorKind::Truncated), "a quarter of an f64");
        assert_eq!(only(&[0xdb, 0, 0, 0]), Err(ScanErrorKind::Truncated), "three quarters of a length");
        assert_eq!(only(&[0xd4]), Err(ScanErrorKind::Truncated), "an extension without its number");
        assert_eq!(only(&[0xa3, b'a']), Err(ScanErrorKind::Lies { what: "string", claimed: 3, left: 1 }));
        assert_eq!(
            only(&[0xc4, 2, 0]),
            Err(ScanErrorKind::Lies { what: "byte string", claimed: 2, left: 1 })
        );
        assert_eq!(only(&[0xd5, 1, 0]), Err(ScanErrorKind::Lies { what: "extension", claimed: 2, left: 1 }));
    }

    #[test]
    fn a_container_cannot_claim_more_than_its_shortest_values_would_take() {
        let claimed = u32::MAX as usize;
        assert_eq!(
            only(&[0xdd, 255, 255, 255, 255, 0]),
            Err(ScanErrorKind::Lies { what: "array", claimed, left: 1 })
        );
        assert_eq!(
            only(&[0xdf, 255, 255, 255, 255, 0]),
            Err(ScanErrorKind::Lies { what: "map", claimed, left: 1 })
        );
        assert_eq!(only(&[0x82, 0, 0, 0]), Err(ScanErrorKind::Lies { what: "map", claimed: 2, left: 3 }));
    }

    #[test]
    fn reserved_marker_and_invalid_utf8_are_refused() {
        assert_eq!(only(&[0xc1]), Err(ScanErrorKind::Reserved));
        assert_eq!(only(&[0xa2, 0xc3, 0x28]), Err(ScanErrorKind::NotUtf8));
        assert_eq!(only(&[0xa3, 0xed, 0xa0, 0x80]), Err(ScanErrorKind::NotUtf8), "a lone surrogate");
    }
}
