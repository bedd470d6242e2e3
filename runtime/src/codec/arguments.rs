//! The function's half of an invocation: arguments out of a payload, by name.
//!
//! Owns the bookkeeping of which arguments were taken. It never decodes an argument that nobody asks for, and never
//! allocates for a usual function.

use serde::de::DeserializeOwned;

use super::argument_error::ArgumentError;
use super::decode::{self, DecodeError};
use super::describe;
use super::few::Few;
use super::scan::{self, MAX_DEPTH};
use super::token::Reader;

/// The arguments of one call, each to be taken once by the name of its parameter.
///
/// This is what the code behind `#[delay::func]` decodes a task with; there is no need to use it by hand.
#[derive(Debug)]
pub struct Arguments<'a> {
    given: Few<Argument<'a>>,
    /// The depth of the deepest one.
    depth: usize,
}

/// One entry of the map, not yet decoded.
#[derive(Clone, Copy, Debug, Default)]
struct Argument<'a> {
    name: &'a str,
    /// None once it was taken.
    value: Option<&'a [u8]>,
}

impl<'a> Arguments<'a> {
    /// Splits an invocation's map of arguments.
    ///
    /// # Errors
    ///
    /// The bytes are not one well-formed map whose keys are strings, each different from the others.
    pub(crate) fn parse(map: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(map);
        let Some(count) = reader.map()? else {
            return Err(layout(format!("expected a map by parameter name, found {}", describe::kind(map))));
        };
        let mut arguments = Self { given: Few::default(), depth: 0 };
        for _ in 0..count {
            let key = reader.offset();
            let Some(name) = reader.string()? else {
                let found = describe::kind(&map[key..]);
                return Err(layout(format!("expected the name of a parameter, found {found}")));
            };
            let start = reader.offset();
            // The map of arguments and the one of the payload are open around the value.
            let extent = scan::value(map, start, MAX_DEPTH - 2)?;
            arguments.given.push(Argument { name, value: Some(&map[start..extent.end]) });
            arguments.depth = arguments.depth.max(extent.depth);
            reader = Reader::at(map, extent.end);
        }
        scan::end(map, reader.offset())?;
        match duplicate(&arguments.given) {
            None => Ok(arguments),
            Some(name) => Err(layout(format!("`{}` is given twice", describe::shorten(name)))),
        }
    }

    /// Takes an argument that every payload has.
    ///
    /// # Errors
    ///
    /// The argument is missing, or its value is not a `T`.
    pub fn required<T: DeserializeOwned + Send>(&mut self, name: &'static str) -> Result<T, ArgumentError> {
        match self.take(name)? {
            Some(value) => Ok(value),
            None => Err(ArgumentError::missing(name, self.given.iter().map(|argument| argument.name))),
        }
    }

    /// Takes an argument that older payloads do not have.
    ///
    /// # Errors
    ///
    /// The argument is there, and its value is not a `T`: a wrong value is no reason for the default.
    pub fn optional<T: DeserializeOwned + Send>(
        &mut self,
        name: &'static str,
        default: impl FnOnce() -> T,
    ) -> Result<T, ArgumentError> {
        Ok(self.take(name)?.unwrap_or_else(default))
    }

    /// Lets an argument that was named `from` be taken as `to`, unless there is a `to`.
    pub fn rename(&mut self, from: &'static str, to: &'static str) {
        if self.given.iter().any(|argument| argument.name == to) {
            return;
        }
        if let Some(argument) = self.given.iter_mut().find(|argument| argument.name == from) {
            argument.name = to;
        }
    }

    /// Leaves an argument out whose parameter was removed.
    pub fn ignore(&mut self, name: &'static str) {
        if let Some(argument) = self.given.iter_mut().find(|argument| argument.name == name) {
            argument.value = None;
        }
    }

    /// Makes sure that every argument was taken or ignored.
    ///
    /// # Errors
    ///
    /// An argument has no parameter: to drop it in silence could change what the call means.
    pub fn finish(self) -> Result<(), ArgumentError> {
        let mut left = self.given.iter().filter(|argument| argument.value.is_some());
        match left.next() {
            None => Ok(()),
            Some(first) => {
                let taken = self.given.iter().filter(|argument| argument.value.is_none());
                Err(ArgumentError::unknown(first.name, left.count(), taken.map(|argument| argument.name)))
            }
        }
    }

    /// All that was given, as a map again, for who decodes it elsewhere.
    #[cfg(any(feature = "wasmi", feature = "wasmtime"))]
    pub(crate) fn into_map(self) -> Vec<u8> {
        let mut map = Vec::new();
        super::writer::write_map_len(&mut map, self.given.iter().count());
        for Argument { name, value } in self.given.iter() {
            super::writer::write_str(&mut map, name);
            map.extend_from_slice(value.unwrap_or(&[0xc0]));
        }
        map
    }

    /// The bytes of an argument that was not taken yet.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a [u8]> {
        self.given.iter().find(|argument| argument.name == name)?.value
    }

    fn take<T: DeserializeOwned + Send>(&mut self, name: &'static str) -> Result<Option<T>, ArgumentError> {
        let Some(argument) = self.given.iter_mut().find(|argument| argument.name == name) else {
            return Ok(None);
        };
        let Some(value) = argument.value.take() else {
            return Ok(None);
        };
        decode::decode(value, self.depth)
            .map(Some)
            .map_err(|mismatch| ArgumentError::mismatch(name, mismatch))
    }
}

#[cold]
fn layout(text: String) -> DecodeError {
    DecodeError::layout(format!("the arguments cannot be read: {text}"))
}

/// A name that occurs more than once.
fn duplicate<'a>(given: &Few<Argument<'a>>) -> Option<&'a str> {
    let names = given.iter().map(|argument| argument.name);
    if given.is_inline() {
        return names
            .clone()
            .enumerate()
            .find(|(n, name)| names.clone().take(*n).any(|other| other == *name))
            .map(|(_, name)| name);
    }
    // A hostile payload has a hundred thousand names: comparing each with each would take minutes.
    let mut sorted: Vec<_> = names.collect();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

#[cfg(test)]
mod tests {
    use super::super::to_vec;
    use super::*;

    /// A map of arguments, as a payload holds it.
    fn map(entries: &[(&str, i64)]) -> Vec<u8> {
        let mut bytes = vec![0xde];
        bytes.extend(u16::try_from(entries.len()).expect("a small map").to_be_bytes());
        for entry in entries {
            // An array's header is one byte; the pair follows.
            bytes.extend(&to_vec(entry).expect("a pair is encodable")[1..]);
        }
        bytes
    }

    fn parse(bytes: &[u8]) -> Arguments<'_> {
        Arguments::parse(bytes).expect("the map is well-formed")
    }

    fn refusal(bytes: &[u8]) -> String {
        Arguments::parse(bytes).expect_err("the map must be refused").to_string()
    }

    #[test]
    fn arguments_are_taken_by_name_in_any_order() -> Result<(), ArgumentError> {
        let bytes = map(&[("a", 1), ("b", 2), ("c", 3)]);
        let mut arguments = parse(&bytes);
        assert_eq!(arguments.required::<u8>("c")?, 3);
        assert_eq!(arguments.required::<i64>("a")?, 1);
        assert_eq!(arguments.optional("b", || 9_u32)?, 2);
        arguments.finish()
    }

    #[test]
    fn default_fills_a_missing_argument_but_not_a_wrong_one() {
        let bytes = map(&[("n", 300)]);
        let mut arguments = parse(&bytes);
        assert_eq!(arguments.optional("missing", || 7_u8), Ok(7));
        let error = arguments.optional("n", || 7_u8).expect_err("300 is no u8");
        assert_eq!(error.to_string(), "argument `n`: expected u8, found integer 300");
        assert_eq!(error.argument(), "n");
    }

    #[test]
    fn a_missing_argument_is_told_with_what_is_there() {
        let bytes = map(&[("a", 1), ("b", 2)]);
        let error = parse(&bytes).required::<String>("to").expect_err("there is no `to`");
        assert_eq!(error.to_string(), "argument `to` is missing; the payload has `a`, `b`");
        assert!(error.is_missing());
        let error = parse(&[0x80]).required::<String>("to").expect_err("there is nothing");
        assert_eq!(error.to_string(), "argument `to` is missing; the payload has no arguments");

        let names: Vec<String> = (0..1000).map(|n| format!("a{n}")).collect();
        let bytes = map(&names.iter().map(|name| (&**name, 0)).collect::<Vec<_>>());
        let error = parse(&bytes).required::<String>("to").expect_err("there is no `to`");
        assert!(error.to_string().ends_with("`a6`, `a7` and 992 more"), "{error}");
    }

    #[test]
    fn an_argument_without_a_parameter_is_an_error() -> Result<(), ArgumentError> {
        let bytes = map(&[("to", 1), ("subject", 2), ("cc", 3)]);
        let mut arguments = parse(&bytes);
        arguments.required::<u8>("to")?;
        arguments.optional("n", || 0_u8)?;
        let error = arguments.finish().expect_err("two are left");
        assert_eq!(
            error.to_string(),
            "argument `subject` is not a parameter of this function, nor is 1 more (it took `to`); \
             `#[rename_from = \"subject\"]` or `removed(\"subject\")` says where it went"
        );
        assert!(error.is_unknown());
        let error = parse(&map(&[("x", 1)])).finish().expect_err("one is left").to_string();
        assert!(error.starts_with("argument `x` is not a parameter of this function;"), "{error}");
        Ok(())
    }

    #[test]
    fn a_removed_argument_is_ignored() {
        let bytes = map(&[("old", 1)]);
        let mut arguments = parse(&bytes);
        arguments.ignore("old");
        arguments.ignore("never was");
        assert_eq!(arguments.finish(), Ok(()));
    }

    #[test]
    fn a_renamed_argument_is_taken_by_its_new_name() -> Result<(), ArgumentError> {
        let bytes = map(&[("recipient", 1)]);
        let mut arguments = parse(&bytes);
        arguments.rename("recipient", "to");
        arguments.rename("never was", "n");
        assert_eq!(arguments.required::<u8>("to")?, 1);
        arguments.finish()
    }

    #[test]
    fn the_new_name_wins_over_the_old_one() -> Result<(), ArgumentError> {
        let bytes = map(&[("recipient", 1), ("to", 2)]);
        let mut arguments = parse(&bytes);
        arguments.rename("recipient", "to");
        assert_eq!(arguments.required::<u8>("to")?, 2);
        assert_eq!(arguments.finish().expect_err("the old one is left").argument(), "recipient");
        Ok(())
    }

    #[test]
    fn renames_that_swap_two_names_leave_new_payloads_alone() -> Result<(), ArgumentError> {
        let bytes = map(&[("a", 1), ("b", 2)]);
        let mut arguments = parse(&bytes);
        arguments.rename("a", "b");
        arguments.rename("b", "a");
        assert_eq!((arguments.required::<u8>("a")?, arguments.required::<u8>("b")?), (1, 2));
        arguments.finish()
    }

    #[test]
    fn a_name_that_is_given_twice_is_refused() {
        let twice = "the arguments cannot be read: `a` is given twice";
        assert_eq!(refusal(&map(&[("a", 1), ("b", 2), ("a", 3)])), twice);
        let mut entries = vec![("a", 1); 2];
        let names: Vec<String> = (0..20).map(|n| format!("b{n}")).collect();
        entries.splice(1..1, names.iter().map(|name| (&**name, 0)));
        assert_eq!(refusal(&map(&entries)), twice, "beyond the inline ones");
    }

    #[test]
    fn a_hundred_thousand_names_are_compared_in_reasonable_time() {
        let names: Vec<String> = (0..65_535).map(|n| format!("{n}")).collect();
        let bytes = map(&names.iter().map(|name| (&**name, 0)).collect::<Vec<_>>());
        let begin = std::time::Instant::now();
        parse(&bytes);
        // Pair by pair it would be two billion comparisons, which take minutes.
        assert!(begin.elapsed() < std::time::Duration::from_secs(10), "{:?}", begin.elapsed());
    }

    #[test]
    fn what_is_no_map_by_name_is_refused() {
        assert_eq!(
            refusal(&[0x92, 1, 2]),
            "the arguments cannot be read: expected a map by parameter name, found array of 2"
        );
        assert_eq!(
            refusal(&[0x81, 5, 1]),
            "the arguments cannot be read: expected the name of a parameter, found integer 5"
        );
        assert_eq!(refusal(&[0x80, 1]), "malformed bytes: at byte 1: 1 byte follows the value");
        refusal(&[0x81, 0xa1, b'x']);
        refusal(&[0x81, 0xa1, b'x', 0xc1]);
        refusal(&[]);
    }

    #[test]
    fn a_value_nests_as_deep_as_the_payload_leaves_room() {
        let nested = |levels| [&[0x81, 0xa1, b'x'], vec![0x91; levels].as_slice(), &[1]].concat();
        parse(&nested(126));
        refusal(&nested(127));
    }

    #[test]
    fn deeply_nested_values_are_decoded_on_a_thread_of_their_own() {
        /// The name of the thread that it was decoded on.
        struct Thread(Option<String>);
        impl<'de> serde::Deserialize<'de> for Thread {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                serde::de::IgnoredAny::deserialize(deserializer)?;
                Ok(Self(std::thread::current().name().map(str::to_owned)))
            }
        }
        let thread_of = |levels| {
            let bytes = [&[0x81, 0xa1, b'x'], vec![0x91; levels].as_slice(), &[1]].concat();
            parse(&bytes).required::<Thread>("x").expect("it takes anything").0
        };
        assert_eq!(thread_of(16), std::thread::current().name().map(str::to_owned));
        assert_eq!(thread_of(17).as_deref(), Some("delay-decode"));
    }

    #[test]
    fn an_argument_is_nobody_elses_business_until_it_is_taken() -> Result<(), ArgumentError> {
        let bytes = map(&[("a", 1), ("b", 2)]);
        let mut arguments = parse(&bytes);
        arguments.required::<u8>("a")?;
        arguments.required::<String>("b").expect_err("2 is no string");
        Ok(())
    }

    #[test]
    fn errors_can_be_sent_shared_and_cloned() {
        fn check<T: std::error::Error + Clone + Send + Sync + 'static>() {}
        check::<ArgumentError>();
        assert!(size_of::<ArgumentError>() <= 64, "small enough to be returned by value");
    }
}
