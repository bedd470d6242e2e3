//! Tests: what each form of serde's data model becomes, and where the format has its limits.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{describe, from_slice, to_vec};

fn bytes_of(value: impl Serialize) -> Vec<u8> {
    to_vec(&value).expect("it is encodable")
}

fn reread<T: DeserializeOwned + Send>(value: impl Serialize) -> T {
    from_slice(&bytes_of(value)).expect("the form is read")
}

/// The value comes back as it was; returns how it looks on the way.
fn kept<T: Serialize + DeserializeOwned + Send + PartialEq + fmt::Debug>(value: T) -> String {
    let bytes = bytes_of(&value);
    assert_eq!(from_slice(&bytes), Ok(value));
    describe(&bytes)
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(u32);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tuple(u32, String);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Named {
    id: u32,
    name: String,
}

fn named() -> Named {
    Named { id: 7, name: "tea".into() }
}

#[test]
fn structs_are_maps_by_field_name() {
    assert_eq!(kept(named()), r#"{"id": 7, "name": "tea"}"#);
    assert_eq!(kept(Unit), "[]");
    assert_eq!(kept(Newtype(7)), "7");
    assert_eq!(kept(Tuple(7, "tea".into())), r#"[7, "tea"]"#);
}

#[test]
fn fields_may_be_reordered_added_and_given_a_default() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Later {
        #[serde(default)]
        price: u32,
        name: String,
        id: u32,
    }
    assert_eq!(reread::<Later>(named()), Later { price: 0, name: "tea".into(), id: 7 });
    assert_eq!(reread::<Named>(Later { price: 3, name: "tea".into(), id: 7 }), named());
}

#[test]
fn all_four_kinds_of_variants_are_kept() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kinds {
        Unit,
        Newtype(u32),
        Tuple(u32, u32),
        Struct { a: u32 },
    }
    assert_eq!(kept(Kinds::Unit), r#""Unit""#);
    assert_eq!(kept(Kinds::Newtype(1)), r#"{"Newtype": 1}"#);
    assert_eq!(kept(Kinds::Tuple(1, 2)), r#"{"Tuple": [1, 2]}"#);
    assert_eq!(kept(Kinds::Struct { a: 1 }), r#"{"Struct": {"a": 1}}"#);
    from_slice::<Kinds>(&bytes_of(BTreeMap::from([("Unit", 5)])))
        .expect_err("the unit variant has no content");
    from_slice::<Kinds>(&bytes_of("Newtype")).expect_err("the newtype variant has content");
    from_slice::<Kinds>(&bytes_of(BTreeMap::from([("Newtype", 1), ("Unit", 2)])))
        .expect_err("one variant only");
}

#[test]
fn scalars_are_kept_at_their_borders() {
    kept((i8::MIN, i16::MIN, i32::MIN, i64::MIN));
    kept((u8::MAX, u16::MAX, u32::MAX, u64::MAX));
    kept((f32::MIN_POSITIVE, f64::MAX, -0.0, f32::NEG_INFINITY));
    kept((true, false, ()));
    kept(['a', 'é', '🎉', '\0']);
    kept([String::new(), "🎉".into()]);
    assert!(reread::<f32>(f32::NAN).is_nan());
}

#[test]
fn integers_fit_into_any_type_that_can_hold_them() {
    assert_eq!(reread::<i64>(200_u8), 200);
    assert_eq!(reread::<u8>(200_i64), 200);
    assert_eq!(reread::<u128>(200_u8), 200);
    assert_eq!(reread::<f64>(200_u8), 200.0);
    assert_eq!(reread::<f64>(1.5_f32), 1.5);
    assert_eq!(reread::<f32>(1.5_f64), 1.5);
    from_slice::<u8>(&bytes_of(256_u16)).expect_err("too large");
    from_slice::<u32>(&bytes_of(1.0)).expect_err("a float is no integer");
}

#[test]
fn wide_integers_are_sixteen_bytes() {
    assert_eq!(kept(-1_i128), format!("h'{}'", "f".repeat(32)));
    kept([i128::MIN, i128::MAX]);
    kept([u128::MIN, u128::MAX]);
}

#[test]
fn nothing_is_nil_whatever_it_was() {
    assert_eq!(kept(None::<u32>), "nil");
    assert_eq!(kept(Some(1)), "1");
    assert_eq!(kept(Some(vec![None, Some(Unit)])), "[nil, []]");
    assert_eq!(reread::<Option<Option<u32>>>(Some(None::<u32>)), None, "the limit that the docs name");
    assert_eq!(reread::<Option<()>>(Some(())), None, "the limit that the docs name");
    assert_eq!(reread::<Option<Option<u32>>>(Some(Some(1))), Some(Some(1)));
}

/// A byte string, as `serde_bytes` writes and reads it.
#[derive(Debug, PartialEq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Collect)
    }
}

#[test]
fn bytes_and_arrays_of_bytes_are_read_as_each_other() {
    let bytes = vec![0, 200, 255];
    assert_eq!(kept(Bytes(bytes.clone())), "h'00c8ff'");
    assert_eq!(kept(bytes.clone()), "[0, 200, 255]");
    assert_eq!(reread::<Vec<u8>>(Bytes(bytes.clone())), bytes);
    assert_eq!(reread::<Bytes>(&bytes), Bytes(bytes));
}

#[test]
fn data_is_borrowed_where_the_type_allows_it() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct View<'a> {
        name: &'a str,
        #[serde(borrow)]
        note: Cow<'a, str>,
        raw: &'a [u8],
    }
    let mut bytes = vec![0x83];
    for (key, value) in [("name", bytes_of("tea")), ("note", bytes_of("x")), ("raw", vec![0xc4, 1, 9])] {
        bytes.extend(bytes_of(key));
        bytes.extend(value);
    }
    let view: View<'_> = from_slice(&bytes).expect("the form is read");
    assert_eq!(view, View { name: "tea", note: "x".into(), raw: &[9] });
    assert!(matches!(view.note, Cow::Borrowed(_)));
}

#[test]
fn flattened_fields_are_kept() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outer {
        kind: String,
        #[serde(flatten)]
        inner: Named,
        #[serde(flatten)]
        others: BTreeMap<String, u32>,
    }
    let outer = Outer { kind: "x".into(), inner: named(), others: BTreeMap::from([("more".into(), 1)]) };
    assert_eq!(kept(outer), r#"{"kind": "x", "id": 7, "name": "tea", "more": 1}"#);
}

#[test]
fn enums_without_names_and_with_tags_are_kept() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u32),
        Text(String),
        Struct(Named),
        List(Vec<Untagged>),
    }
    let list = vec![Untagged::Number(1), Untagged::Text("x".into()), Untagged::Struct(named())];
    kept(Untagged::List(list));

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Internal {
        Empty,
        Full(Named),
    }
    assert_eq!(kept(Internal::Full(named())), r#"{"type": "Full", "id": 7, "name": "tea"}"#);
    kept(Internal::Empty);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type", content = "value")]
    enum Adjacent {
        Pair(u8, u8),
    }
    assert_eq!(kept(Adjacent::Pair(1, 2)), r#"{"type": "Pair", "value": [1, 2]}"#);
}

#[test]
fn wide_integers_do_not_pass_through_buffers() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Wide(u128),
    }
    from_slice::<Untagged>(&bytes_of(Untagged::Wide(1))).expect_err("the limit that the docs name");
}

#[test]
fn keys_may_be_of_any_type() {
    assert_eq!(
        kept(BTreeMap::from([(1, "a"), (-2, "b")].map(|(k, v)| (k, v.to_owned())))),
        r#"{-2: "b", 1: "a"}"#
    );
    assert_eq!(kept(BTreeMap::from([((1, 2), true)])), "{[1, 2]: true}");
    assert_eq!(kept(HashMap::from([(Some('x'), ())])), r#"{"x": nil}"#);
}

#[test]
fn empty_containers_are_kept() {
    assert_eq!(kept(Vec::<u32>::new()), "[]");
    assert_eq!(kept(BTreeMap::<u32, u32>::new()), "{}");
    assert_eq!(kept([0_u32; 0]), "[]");
    assert_eq!(kept(String::new()), r#""""#);
    assert_eq!(kept(Bytes(Vec::new())), "h''");
    assert_eq!(kept(vec![(), ()]), "[nil, nil]");
}

#[test]
fn extensions_are_kept() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "_ExtStruct")]
    struct Extension((i8, Bytes));
    assert_eq!(kept(vec![Extension((5, Bytes(vec![1, 2, 3])))]), "[extension(5, h'010203')]");
}
