//! Bytes into values.
//!
//! Owns the order of things: scan, then decode under guard, then make sure that nothing is left over; and the thread on
//! which deeply nested values are decoded. It never sees bytes that were not scanned.

use std::{fmt, panic, thread};

use serde::de::{Deserialize, IgnoredAny};

use super::guard::{Guarded, Trail};
use super::mismatch::Mismatch;
use super::scan::{MAX_DEPTH, ScanError, scan};

/// Values that nest deeper are decoded on a thread of their own.
///
/// Without optimisation, serde takes 20 KiB of stack for each level of a struct of 700 bytes: a hundred levels of it
/// overflow the 2 MiB of a usual thread, and that ends the process.
const DEPTH_ON_ANY_STACK: usize = 16;

/// 256 KiB for each level there can be. Only what is touched is ever backed by memory.
const DEEP_STACK: usize = MAX_DEPTH * (256 << 10);

/// Decodes a result, a header or options; `T` may borrow from `bytes`.
///
/// # Errors
///
/// The bytes are not well-formed, or not a `T`, or more than a `T`.
pub(crate) fn from_slice<'de, T: Deserialize<'de> + Send>(bytes: &'de [u8]) -> Result<T, DecodeError> {
    let depth = scan(bytes)?;
    decode(bytes, depth).map_err(|mismatch| DecodeError { cause: Cause::Value(Box::new(mismatch)) })
}

/// Decodes one value that has been scanned and found to nest `depth` deep.
pub(super) fn decode<'de, T: Deserialize<'de> + Send>(bytes: &'de [u8], depth: usize) -> Result<T, Mismatch> {
    if depth <= DEPTH_ON_ANY_STACK {
        return decode_here(bytes);
    }
    // It is joined before this returns, so there is nothing to drain or to cancel.
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("delay-decode".into()).stack_size(DEEP_STACK);
        match builder.spawn_scoped(scope, || decode_here(bytes)) {
            Ok(decoding) => decoding.join().unwrap_or_else(|panic| panic::resume_unwind(panic)),
            Err(error) => {
                let text =
                    format!("nested {depth} levels deep, and no thread could be started for it: {error}");
                Err(Mismatch::new::<T>(bytes, Trail::default(), text))
            }
        }
    })
}

fn decode_here<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Mismatch> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    let trail = Trail::default();
    let value = match T::deserialize(Guarded::new(&mut deserializer, &trail)) {
        Ok(value) => value,
        Err(error) => return Err(Mismatch::new::<T>(bytes, trail, reason(error))),
    };
    // The deserializer does not tell how far it came, but at the end it finds no marker.
    match IgnoredAny::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(Mismatch::new::<T>(bytes, trail, "the type reads only a part of the value".into())),
    }
}

/// What happened, in words that do not need the format's vocabulary.
#[cold]
fn reason(error: rmp_serde::decode::Error) -> String {
    use rmp_serde::decode::Error;
    match error {
        Error::Syntax(text) | Error::Uncategorized(text) => text,
        Error::LengthMismatch(_) => "the number of values inside is another one than the type has".into(),
        Error::TypeMismatch(_) => "the type cannot be made from such a value".into(),
        Error::OutOfRange => "the number is out of range".into(),
        // The bytes were scanned: whoever finds too few of them asks for more than there is.
        Error::InvalidMarkerRead(_) | Error::InvalidDataRead(_) => {
            "the type reads more than the value".into()
        }
        other => other.to_string(),
    }
}

/// Bytes that cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecodeError {
    cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    Malformed(ScanError),
    Layout(String),
    Value(Box<Mismatch>),
}

impl DecodeError {
    pub(super) fn layout(text: String) -> Self {
        Self { cause: Cause::Layout(text) }
    }
}

impl From<ScanError> for DecodeError {
    fn from(error: ScanError) -> Self {
        Self { cause: Cause::Malformed(error) }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Malformed(error) => write!(f, "malformed bytes: {error}"),
            Cause::Layout(text) => f.write_str(text),
            Cause::Value(mismatch) => mismatch.fmt(f),
        }
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::super::to_vec;
    use super::*;

    fn error<'de, T: Deserialize<'de> + Send + fmt::Debug>(bytes: &'de [u8]) -> String {
        from_slice::<T>(bytes).expect_err("the bytes must be refused").to_string()
    }

    /// Runs on a stack as small as those of tokio's workers and of tests.
    fn on_two_mebibytes<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let builder = thread::Builder::new().stack_size(2 << 20);
            let working = builder.spawn_scoped(scope, work).expect("a thread is started");
            working.join().expect("the work has not panicked")
        })
    }

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Leaf {
        text: String,
        numbers: [u64; 8],
        note: Option<String>,
        words: BTreeMap<String, u32>,
        triple: (u32, String, f64),
    }

    /// Wide, so that each level of decoding takes much stack.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Wide {
        first: Leaf,
        second: Leaf,
        third: Leaf,
        child: Option<Box<Wide>>,
        more: Vec<Wide>,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type")]
    #[expect(clippy::large_enum_variant, reason = "each level shall take much stack")]
    enum Tagged {
        Node { first: Leaf, second: Leaf, child: Box<Tagged> },
        End,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Nested {
        Again(Box<Nested>),
        Fields { leaf: Leaf, inner: Box<Nested> },
        End,
    }

    #[test]
    fn wide_types_nested_to_the_limit_are_decoded_on_a_small_stack() {
        let mut wide = Wide::default();
        // The innermost one holds containers, too.
        for _ in 0..MAX_DEPTH - 3 {
            wide = Wide { child: Some(Box::new(wide)), ..Wide::default() };
        }
        let tagged = (0..MAX_DEPTH - 3).fold(Tagged::End, |child, _| Tagged::Node {
            first: Leaf::default(),
            second: Leaf::default(),
            child: Box::new(child),
        });
        let again = (0..MAX_DEPTH).fold(Nested::End, |inner, _| Nested::Again(Box::new(inner)));
        let fields = (0..MAX_DEPTH / 2 - 1)
            .fold(Nested::End, |inner, _| Nested::Fields { leaf: Leaf::default(), inner: Box::new(inner) });
        on_two_mebibytes(|| {
            let depth = |bytes: &[u8]| scan(bytes).expect("it was just written");
            let bytes = to_vec(&wide).expect("within the limit");
            assert_eq!(depth(&bytes), MAX_DEPTH);
            assert_eq!(from_slice(&bytes), Ok(wide));
            let bytes = to_vec(&tagged).expect("within the limit");
            assert_eq!(depth(&bytes), MAX_DEPTH - 1);
            assert_eq!(from_slice(&bytes), Ok(tagged));
            for nested in [again, fields] {
                let bytes = to_vec(&nested).expect("within the limit");
                assert_eq!(depth(&bytes), MAX_DEPTH);
                assert_eq!(from_slice(&bytes), Ok(nested));
            }
        });
    }

    #[test]
    fn wide_types_just_below_the_threshold_are_decoded_on_a_small_stack() {
        let mut wide = Wide::default();
        for _ in 0..DEPTH_ON_ANY_STACK - 3 {
            wide = Wide { child: Some(Box::new(wide)), ..Wide::default() };
        }
        let bytes = to_vec(&wide).expect("within the limit");
        assert_eq!(scan(&bytes), Ok(DEPTH_ON_ANY_STACK));
        assert_eq!(on_two_mebibytes(|| from_slice(&bytes)), Ok(wide));
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Chain(Option<Box<Chain>>);

    #[derive(Debug, Deserialize)]
    #[serde(transparent)]
    struct Transparent {
        _next: Option<Box<Transparent>>,
    }

    #[derive(Debug, Deserialize)]
    struct There(#[expect(dead_code, reason = "only decoded")] Box<Back>);

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only decoded")]
    struct Back(Vec<Option<There>>, Option<Box<There>>);

    #[test]
    fn recursion_that_reads_no_bytes_is_an_error() {
        let reason = "contains itself with nothing in between but options and newtypes";
        assert!(error::<Chain>(&[1]).contains(reason));
        assert!(error::<Vec<Chain>>(&[0x92, 0xc0, 1]).contains(reason));
        assert!(error::<Transparent>(&[0x81, 1, 1]).contains(reason));
        assert_eq!(from_slice(&[0xc0]), Ok(Chain(None)));
        error::<There>(&[0x92, 0x91, 1, 0xc0]);
    }

    #[test]
    fn recursion_that_reads_bytes_is_bounded_by_their_depth() {
        let mut bytes = Vec::new();
        for _ in 0..MAX_DEPTH {
            bytes.extend([0x81, 0xa5, b'A', b'g', b'a', b'i', b'n']);
        }
        bytes.extend([0xa3, b'E', b'n', b'd']);
        from_slice::<Nested>(&bytes).expect("the limit is allowed");
        bytes.splice(0..0, [0x81, 0xa5, b'A', b'g', b'a', b'i', b'n']);
        assert!(error::<Nested>(&bytes).contains("nested deeper than 128 levels"));
    }

    /// Reads nothing at all.
    #[derive(Debug)]
    struct Blind;

    impl<'de> Deserialize<'de> for Blind {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }

    #[test]
    fn a_value_that_is_read_in_part_is_refused() {
        assert_eq!(
            error::<Blind>(&[5]),
            "the type reads only a part of the value (found integer 5 while decoding `Blind`)"
        );
    }

    #[test]
    fn a_panic_of_the_type_passes_through_the_thread_of_deep_values() {
        #[derive(Debug)]
        struct Panics;
        impl<'de> Deserialize<'de> for Panics {
            fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                panic!("as the test wants");
            }
        }
        let deep = [[0x91; 20].as_slice(), &[1]].concat();
        let panic = panic::catch_unwind(|| from_slice::<Panics>(&deep).map(drop)).expect_err("it panics");
        assert_eq!(panic.downcast_ref(), Some(&"as the test wants"));
    }

    #[test]
    fn a_value_may_borrow_from_the_bytes() {
        let bytes = to_vec(&("name", vec!["a", "b"])).expect("it is encodable");
        let (name, tags): (&str, Vec<&str>) = from_slice(&bytes).expect("it was just written");
        assert_eq!((name, tags), ("name", vec!["a", "b"]));
    }

    #[test]
    fn malformed_bytes_never_reach_the_type() {
        assert_eq!(
            error::<Blind>(&[0xc1]),
            "malformed bytes: at byte 0: the marker 0xc1 is never used; this is not MessagePack"
        );
        assert_eq!(error::<u8>(&[1, 2]), "malformed bytes: at byte 1: 1 byte follows the value");
    }
}
