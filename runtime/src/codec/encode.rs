//! Values into bytes.
//!
//! Owns the form that every value is written in (structs as maps) and the proof that what was written can be read
//! again. It never decides how large a value may be.

use std::fmt;

use serde::Serialize;

use super::scan::{self, MAX_DEPTH, ScanError, ScanErrorKind};

/// Encodes a result, a header or options.
///
/// # Errors
///
/// `T`'s `Serialize` failed, wrote something malformed, or nested deeper than [`MAX_DEPTH`]. The depth is known once the
/// value is written: one that serde cannot walk on this thread's stack is not saved by it.
pub(crate) fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::with_capacity(128);
    append(&mut bytes, value, MAX_DEPTH).map_err(|cause| EncodeError { argument: None, cause })?;
    Ok(bytes)
}

/// Appends one value that nests at most `limit` deep.
pub(super) fn append<T: Serialize + ?Sized>(
    bytes: &mut Vec<u8>,
    value: &T,
    limit: usize,
) -> Result<(), Cause> {
    let start = bytes.len();
    rmp_serde::encode::write_named(bytes, value).map_err(|error| Cause::Serialize(error.to_string()))?;
    check(bytes, start, limit)
}

/// Checks that exactly one value begins at `start`.
///
/// A `Serialize` may announce a length that it does not keep, and the depth of a value shows only when it is written:
/// better refused here, where the caller can act, than by the worker, much later.
pub(super) fn check(bytes: &[u8], start: usize, limit: usize) -> Result<(), Cause> {
    let broken = |offset, kind| Cause::Malformed(ScanError { offset, kind });
    match scan::value(bytes, start, limit) {
        Ok(extent) if extent.end == bytes.len() => Ok(()),
        Ok(extent) => {
            Err(broken(extent.end - start, ScanErrorKind::Trailing { extra: bytes.len() - extent.end }))
        }
        Err(ScanError { kind: ScanErrorKind::TooDeep { limit }, .. }) => Err(Cause::TooDeep { limit }),
        Err(error) => Err(broken(error.offset - start, error.kind)),
    }
}

/// A value that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EncodeError {
    /// None when it was no argument, or all of them.
    pub(super) argument: Option<&'static str>,
    pub(super) cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The type's own `Serialize` said no.
    Serialize(String),
    TooDeep {
        limit: usize,
    },
    /// The type's `Serialize` broke serde's rules.
    Malformed(ScanError),
    /// The stub announced another number of arguments than it wrote.
    Count {
        announced: usize,
        written: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.argument {
            Some(name) => write!(f, "argument `{name}` cannot be encoded: ")?,
            None => f.write_str("the value cannot be encoded: ")?,
        }
        match &self.cause {
            Cause::Serialize(text) => f.write_str(text),
            Cause::TooDeep { limit } => {
                write!(f, "its arrays and maps are nested deeper than {limit} levels")
            }
            Cause::Malformed(error) => {
                write!(f, "its `Serialize` wrote another number of values than it announced ({error})")
            }
            Cause::Count { announced, written } => {
                write!(f, "{announced} arguments were announced, but {written} were written")
            }
        }
    }
}

impl std::error::Error for EncodeError {}

#[cfg(test)]
mod tests {
    use serde::ser::{Error as _, SerializeSeq, Serializer};

    use super::*;

    struct Refuses;

    impl Serialize for Refuses {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("the clock is not set"))
        }
    }

    /// Announces some elements and writes others.
    struct Boasts {
        announced: usize,
        written: usize,
    }

    impl Serialize for Boasts {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut seq = serializer.serialize_seq(Some(self.announced))?;
            for _ in 0..self.written {
                seq.serialize_element(&1)?;
            }
            seq.end()
        }
    }

    #[derive(Serialize)]
    struct Link(Option<Box<(u8, Link)>>);

    #[test]
    fn a_refusal_of_the_type_is_told_in_its_words() {
        let error = to_vec(&Refuses).expect_err("it refuses");
        assert_eq!(error.to_string(), "the value cannot be encoded: the clock is not set");
        assert_eq!(error.argument, None);
    }

    #[test]
    fn a_length_that_was_announced_and_not_kept_is_refused() {
        for (announced, written) in [(3, 2), (2, 3), (1, 0), (0, 1)] {
            let error = to_vec(&Boasts { announced, written }).expect_err("the lengths differ");
            assert!(matches!(error.cause, Cause::Malformed(_)), "{error}");
        }
        to_vec(&Boasts { announced: 3, written: 3 }).expect("the lengths agree");
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let tower = |height| (0..height).fold(Link(None), |inner, _| Link(Some(Box::new((0, inner)))));
        to_vec(&tower(MAX_DEPTH)).expect("as deep as allowed");
        let error = to_vec(&tower(MAX_DEPTH + 1)).expect_err("one too deep");
        assert_eq!(
            error.to_string(),
            "the value cannot be encoded: its arrays and maps are nested deeper than 128 levels"
        );
    }
}
