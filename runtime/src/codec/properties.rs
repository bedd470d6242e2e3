//! Tests: properties that hold for whatever is written and for whatever comes in.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::scan::{MAX_DEPTH, scan};
use super::{
    Arguments, Invocation, InvocationWriter, describe, from_slice, invocation_prefix, to_json, to_vec,
};

/// One variant for each form of serde's data model, some of them recursive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Value {
    Unit,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Wide(i128),
    Float(f64),
    Narrow(f32),
    Char(char),
    Text(String),
    Maybe(Option<Box<Value>>),
    List(Vec<Value>),
    Pair(Box<Value>, Box<Value>),
    Fields { first: Box<Value>, second: Option<String> },
    Map(BTreeMap<String, Value>),
    Keys(BTreeMap<i32, Value>),
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Unit),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Signed),
        any::<u64>().prop_map(Value::Unsigned),
        any::<i128>().prop_map(Value::Wide),
        // NaN is not equal to itself.
        prop::num::f64::NORMAL.prop_map(Value::Float),
        prop::num::f32::NORMAL.prop_map(Value::Narrow),
        any::<char>().prop_map(Value::Char),
        ".{0,40}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(12, 64, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            // A value of `Maybe(None)` inside is fine: its variant's name is there.
            prop::option::of(boxed.clone()).prop_map(Value::Maybe),
            vec(inner.clone(), 0..20).prop_map(Value::List),
            (boxed.clone(), boxed.clone()).prop_map(|(a, b)| Value::Pair(a, b)),
            (boxed, any::<Option<String>>()).prop_map(|(first, second)| Value::Fields { first, second }),
            btree_map(".{0,8}", inner.clone(), 0..5).prop_map(Value::Map),
            btree_map(any::<i32>(), inner, 0..5).prop_map(Value::Keys),
        ]
    })
}

/// Any well-formed value in any encoding, also in those that no writer of ours chooses.
fn well_formed() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        prop::sample::select(vec![0xc0, 0xc2, 0xc3, 0x00, 0x7f, 0xe0, 0xff]).prop_map(|byte| vec![byte]),
        // Each marker is followed by as many bytes as its number has.
        (
            prop::sample::select(vec![(0xcc, 1), (0xcd, 2), (0xce, 4), (0xcf, 8), (0xd0, 1), (0xd1, 2)]),
            any::<u64>()
        )
            .prop_map(|((marker, size), bits)| [&[marker], &bits.to_be_bytes()[..size]].concat()),
        (prop::sample::select(vec![(0xd2, 4), (0xd3, 8), (0xca, 4), (0xcb, 8)]), any::<u64>())
            .prop_map(|((marker, size), bits)| [&[marker], &bits.to_be_bytes()[..size]].concat()),
        ".{0,12}".prop_map(|text| [&[0xdb], &length(text.len())[..], text.as_bytes()].concat()),
        vec(any::<u8>(), 0..12).prop_map(|data| [&[0xc6], &length(data.len())[..], &data].concat()),
        (any::<i8>(), vec(any::<u8>(), 0..12)).prop_map(|(number, data)| {
            [&[0xc9], &length(data.len())[..], &number.to_be_bytes(), &data].concat()
        }),
    ];
    leaf.prop_recursive(8, 64, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..16)
                .prop_map(|items| [vec![0x90 | items.len() as u8], items.concat()].concat()),
            vec(inner.clone(), 0..6)
                .prop_map(|items| [&[0xdd], &length(items.len())[..], &items.concat()].concat()),
            vec((inner.clone(), inner), 0..6).prop_map(|entries| {
                let pairs = entries.iter().map(|(key, value)| [&key[..], value].concat()).collect::<Vec<_>>();
                [&[0xdf], &length(entries.len())[..], &pairs.concat()].concat()
            }),
        ]
    })
}

fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("a short one").to_be_bytes()
}

/// Bytes of which most are no value: random ones, and values with a few bytes changed, cut off or repeated.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let mutated = (well_formed(), vec(change, 1..4), any::<prop::sample::Index>(), 0..3_u8).prop_map(
        |(mut bytes, changes, at, cut)| {
            for (index, byte) in changes {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            let at = at.index(bytes.len());
            match cut {
                0 => bytes.truncate(at),
                1 => bytes.extend_from_within(at..),
                _ => {}
            }
            bytes
        },
    );
    prop_oneof![vec(any::<u8>(), 0..200), mutated]
}

/// How deep a value nests, found in another way than by the scan: recursively, with rmp's own reader.
///
/// None if there is no whole value.
fn depth(bytes: &mut &[u8]) -> Option<usize> {
    use rmp::Marker;
    let length = |bytes: &mut &[u8], size: usize| {
        let (length, rest) = bytes.split_at_checked(size)?;
        *bytes = rest;
        Some(length.iter().fold(0, |value, byte| value << 8 | usize::from(*byte)))
    };
    let marker = rmp::decode::read_marker(bytes).ok()?;
    let (skip, children) = match marker {
        Marker::FixArray(count) => (0, Some(count.into())),
        Marker::Array16 => (0, Some(length(bytes, 2)?)),
        Marker::Array32 => (0, Some(length(bytes, 4)?)),
        Marker::FixMap(count) => (0, Some(2 * usize::from(count))),
        Marker::Map16 => (0, Some(2 * length(bytes, 2)?)),
        Marker::Map32 => (0, Some(2 * length(bytes, 4)?)),
        Marker::FixStr(len) => (len.into(), None),
        Marker::Str8 | Marker::Bin8 => (length(bytes, 1)?, None),
        Marker::Str16 | Marker::Bin16 => (length(bytes, 2)?, None),
        Marker::Str32 | Marker::Bin32 => (length(bytes, 4)?, None),
        Marker::Ext8 => (length(bytes, 1)? + 1, None),
        Marker::Ext16 => (length(bytes, 2)? + 1, None),
        Marker::Ext32 => (length(bytes, 4)? + 1, None),
        Marker::U8 | Marker::I8 => (1, None),
        Marker::U16 | Marker::I16 | Marker::FixExt1 => (2, None),
        Marker::FixExt2 => (3, None),
        Marker::U32 | Marker::I32 | Marker::F32 => (4, None),
        Marker::FixExt4 => (5, None),
        Marker::U64 | Marker::I64 | Marker::F64 => (8, None),
        Marker::FixExt8 => (9, None),
        Marker::FixExt16 => (17, None),
        Marker::Reserved => return None,
        Marker::Null | Marker::True | Marker::False | Marker::FixPos(_) | Marker::FixNeg(_) => (0, None),
    };
    *bytes = bytes.get(skip..)?;
    match children {
        None => Some(0),
        Some(count) => (0..count).try_fold(1, |most, _| Some(most.max(1 + depth(bytes)?))),
    }
}

/// Decodes as types of every shape; none of them may do worse than an error.
fn decode_as_everything(bytes: &[u8]) {
    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only decoded")]
    enum Json {
        Number(f64),
        Text(String),
        Map(BTreeMap<String, Json>),
        List(Vec<Json>),
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only decoded")]
    struct Chain(Option<Box<Chain>>);
    let _ = from_slice::<Value>(bytes);
    let _ = from_slice::<Json>(bytes);
    let _ = from_slice::<Chain>(bytes);
    let _ = from_slice::<Vec<(u8, Option<String>)>>(bytes);
    let _ = from_slice::<BTreeMap<i64, serde::de::IgnoredAny>>(bytes);
    let _ = from_slice::<&str>(bytes);
    let _ = from_slice::<u128>(bytes);
    let _ = from_slice::<()>(bytes);
    if let Ok(invocation) = Invocation::parse(bytes) {
        let _ = Arguments::parse(invocation.arguments);
    }
    if let Ok(mut arguments) = Arguments::parse(bytes) {
        let _ = arguments.required::<Value>("a");
        let _ = arguments.finish();
    }
    describe(bytes);
    // To ignore a value is not limited in depth, as other types are.
    serde_json::from_str::<serde::de::IgnoredAny>(&to_json(bytes)).expect("it is JSON");
}

proptest! {
    #[test]
    fn what_is_written_is_accepted_and_comes_back(value in value()) {
        let bytes = to_vec(&value).expect("it is not deep");
        prop_assert!(scan(&bytes).is_ok());
        prop_assert_eq!(from_slice(&bytes), Ok(value));
    }

    #[test]
    fn a_payload_comes_back_and_begins_with_its_prefix(
        function in ".{0,300}",
        values in btree_map("[a-z]{1,40}", value(), 0..20),
        rest in vec(any::<u32>(), 0..40),
    ) {
        let mut writer = InvocationWriter::new(&function, values.len() + 1);
        for (name, value) in &values {
            writer.argument(name.clone().leak(), value);
        }
        writer.rest("REST", rest.iter().filter(|_| true));
        let payload = writer.finish().expect("it is not deep").bytes;
        prop_assert!(payload.starts_with(&invocation_prefix(&function)));
        prop_assert!(scan(&payload).is_ok());

        let invocation = Invocation::parse(&payload).expect("it was just written");
        prop_assert_eq!(invocation.function, function);
        let mut arguments = Arguments::parse(invocation.arguments).expect("it was just written");
        for (name, value) in values {
            prop_assert_eq!(arguments.required::<Value>(name.leak()), Ok(value));
        }
        prop_assert_eq!(arguments.required::<Vec<u32>>("REST"), Ok(rest));
        prop_assert_eq!(arguments.finish(), Ok(()));
    }

    #[test]
    fn any_well_formed_value_is_accepted_with_its_depth(bytes in well_formed()) {
        prop_assert_eq!(scan(&bytes).ok(), depth(&mut &bytes[..]));
        decode_as_everything(&bytes);
    }

    #[test]
    fn what_is_accepted_is_one_whole_value_within_the_limit(bytes in hostile()) {
        prop_assert!(scan(&bytes).is_ok() || Invocation::parse(&bytes).is_err());
        if let Ok(found) = scan(&bytes) {
            let mut rest = &bytes[..];
            prop_assert_eq!(Some(found), depth(&mut rest));
            prop_assert!(rest.is_empty());
            prop_assert!(found <= MAX_DEPTH);
        }
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in hostile()) {
        decode_as_everything(&bytes);
    }

    #[test]
    fn no_change_to_a_payload_makes_decoding_panic(
        value in value(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut writer = InvocationWriter::new("app:f", 1);
        writer.argument("a", &value);
        let mut payload = writer.finish().expect("it is not deep").bytes;
        for (index, byte) in changes {
            let index = index.index(payload.len());
            payload[index] = byte;
        }
        decode_as_everything(&payload);
        if let Ok(invocation) = Invocation::parse(&payload)
            && let Ok(mut arguments) = Arguments::parse(invocation.arguments)
        {
            let _ = arguments.required::<Value>("a");
        }
    }

    #[test]
    fn nesting_in_any_mixture_is_bounded(
        containers in vec(prop::sample::select(vec![&[0x91][..], &[0x92, 1], &[0x81, 0xa1, b'a'], &[0xdc, 0, 1]]), 100..160),
    ) {
        let bytes = [containers.concat(), vec![0xc0]].concat();
        prop_assert_eq!(scan(&bytes).is_ok(), containers.len() <= MAX_DEPTH);
        decode_as_everything(&bytes);
    }
}
