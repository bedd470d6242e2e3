//! A layer around serde's deserializer that bounds what `scan` cannot see and remembers where decoding failed.
//!
//! Owns two things, and changes no value:
//! 1. **Idle levels.** An `Option` and a newtype struct are entered without a byte being read. A type that contains
//!    itself through these alone, such as `struct Chain(Option<Box<Chain>>)`, recurses on the single byte `1` until the
//!    process dies, however shallow the bytes are. So the levels since the last byte are counted and limited. All other
//!    recursion through the deserializer opens a container, and `scan` has limited those.
//! 2. **The trail.** While an error passes outwards, each container adds the position of the value that failed.
//!
//! Scalars are all asked for as "any value": the deserializer then gives serde what it found, and the error names what
//! was expected, too. Those of 128 bits are read by `wide`.
//!
//! Out of reach: a type whose `Deserialize` calls itself without asking for input, such as an untagged enum whose first
//! variant is the enum itself. It fails on every input, in every format, and so in its author's first test.

use std::cell::RefCell;
use std::fmt;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::wide::Wide;

/// More than any real type nests `Option`s and newtypes directly inside each other.
const MAX_IDLE: u8 = 64;

/// The positions of the values through which an error came, innermost first.
///
/// Elements and entries are counted from 0, and the content of an enum's variant is its map's entry 0.
#[derive(Debug, Default)]
pub(super) struct Trail(RefCell<Vec<usize>>);

impl Trail {
    /// The positions, outermost first.
    pub(super) fn into_positions(self) -> impl Iterator<Item = usize> {
        self.0.into_inner().into_iter().rev()
    }

    #[cold]
    fn add(&self, position: usize) {
        self.0.borrow_mut().push(position);
    }
}

/// Whatever role serde gives to `inner`, guarded: a deserializer, a visitor, a seed, or access to a container.
pub(super) struct Guarded<'t, I> {
    inner: I,
    trail: &'t Trail,
    /// Levels entered since the last byte was read.
    idle: u8,
    /// The element or the entry that is next.
    position: usize,
}

impl<'t, I> Guarded<'t, I> {
    pub(super) fn new(inner: I, trail: &'t Trail) -> Self {
        Self { inner, trail, idle: 0, position: 0 }
    }

    /// `inner` one level further in, no byte having been read.
    fn enter<J, E: de::Error>(inner: J, trail: &'t Trail, idle: u8) -> Result<Guarded<'t, J>, E> {
        if idle == MAX_IDLE {
            return Err(E::custom(
                "the type contains itself with nothing in between but options and newtypes",
            ));
        }
        Ok(Guarded { inner, trail, idle: idle + 1, position: 0 })
    }

    /// Counts an element or an entry, or notes where it failed.
    fn step<T, E>(&mut self, value: Result<T, E>) -> Result<T, E> {
        match value {
            Ok(_) => self.position += 1,
            Err(_) => self.trail.add(self.position),
        }
        value
    }
}

macro_rules! forward_with_visitor {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* Guarded::new(visitor, self.trail))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Guarded<'_, D> {
    type Error = D::Error;

    forward_with_visitor! {
        deserialize_any();
        deserialize_unit_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit map identifier ignored_any
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_any(Wide::signed(visitor))
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_any(Wide::unsigned(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_option(Self::enter(visitor, self.trail, self.idle)?)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_newtype_struct(name, Self::enter(visitor, self.trail, self.idle)?)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! forward_value {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Guarded<'_, V> {
    type Value = V::Value;

    forward_value! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_f64(f64);
        visit_char(char);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let Self { inner, trail, idle, .. } = self;
        inner.visit_some(Guarded { inner: deserializer, trail, idle, position: 0 })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let Self { inner, trail, idle, .. } = self;
        inner.visit_newtype_struct(Guarded { inner: deserializer, trail, idle, position: 0 })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Guarded::new(access, self.trail))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Guarded::new(access, self.trail))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Guarded::new(access, self.trail))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Guarded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Guarded::new(deserializer, self.trail))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Guarded<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let element = self.inner.next_element_seed(Guarded::new(seed, self.trail));
        self.step(element)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Guarded<'_, A> {
    type Error = A::Error;

    // A key that fails is told as a failure of its map: it has no path of its own.
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(Guarded::new(seed, self.trail))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let value = self.inner.next_value_seed(Guarded::new(seed, self.trail));
        self.step(value)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, 't, A: EnumAccess<'de>> EnumAccess<'de> for Guarded<'t, A> {
    type Error = A::Error;
    type Variant = Guarded<'t, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (name, content) = self.inner.variant_seed(Guarded::new(seed, self.trail))?;
        Ok((name, Guarded::new(content, self.trail)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Guarded<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let content = self.inner.newtype_variant_seed(Guarded::new(seed, self.trail));
        content.inspect_err(|_| self.trail.add(0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let content = self.inner.tuple_variant(len, Guarded::new(visitor, self.trail));
        content.inspect_err(|_| self.trail.add(0))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let content = self.inner.struct_variant(fields, Guarded::new(visitor, self.trail));
        content.inspect_err(|_| self.trail.add(0))
    }
}
