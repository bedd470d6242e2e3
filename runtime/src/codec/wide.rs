//! Integers of 128 bits: sixteen bytes, big-endian, or any integer of the format that fits.
//!
//! Owns their reading, because rmp-serde's takes `-1` for the largest `u128`. Their writing is rmp-serde's.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};

/// Asks for any value and gives sixteen bytes to the visitor as the integer that they are.
pub(super) struct Wide<V> {
    visitor: V,
    sign: Sign,
}

enum Sign {
    Signed,
    Unsigned,
}

impl<V> Wide<V> {
    pub(super) fn signed(visitor: V) -> Self {
        Self { visitor, sign: Sign::Signed }
    }

    pub(super) fn unsigned(visitor: V) -> Self {
        Self { visitor, sign: Sign::Unsigned }
    }
}

macro_rules! forward_value {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Wide<V> {
    type Value = V::Value;

    forward_value! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_f32(f32);
        visit_f64(f64);
        visit_str(&str);
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<V::Value, E> {
        match (bytes.try_into(), self.sign) {
            (Ok(bytes), Sign::Signed) => self.visitor.visit_i128(i128::from_be_bytes(bytes)),
            (Ok(bytes), Sign::Unsigned) => self.visitor.visit_u128(u128::from_be_bytes(bytes)),
            (Err(_), _) => Err(E::invalid_type(Unexpected::Bytes(bytes), &self.visitor)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{from_slice, to_vec};

    fn bytes_of(value: impl serde::Serialize) -> Vec<u8> {
        to_vec(&value).expect("it is encodable")
    }

    #[test]
    fn wide_integers_are_read_from_any_integer_that_fits() {
        assert_eq!(from_slice(&bytes_of(u128::MAX)), Ok(u128::MAX));
        assert_eq!(from_slice(&bytes_of(i128::MIN)), Ok(i128::MIN));
        assert_eq!(from_slice(&bytes_of(u64::MAX)), Ok(u128::from(u64::MAX)));
        assert_eq!(from_slice(&bytes_of(i64::MIN)), Ok(i128::from(i64::MIN)));
    }

    #[test]
    fn a_negative_integer_is_no_unsigned_one() {
        for bytes in [bytes_of(-1), bytes_of(i64::MIN)] {
            from_slice::<u128>(&bytes).expect_err("it is negative");
        }
    }

    #[test]
    fn other_values_are_no_integers() {
        let text = |bytes: &[u8]| from_slice::<i128>(bytes).expect_err("it is no integer").to_string();
        assert_eq!(text(&[0xc4, 2, 0, 0]), "expected i128, found bytes of 2");
        assert_eq!(text(&[0xa1, b'x']), "expected i128, found string \"x\"");
        assert_eq!(text(&[0x91, 1]), "expected i128, found array of 1");
        assert_eq!(text(&[0xc0]), "expected i128, found nil");
    }
}
