//! Where a row stands: its page and place, PostgreSQL's `ctid`. An accelerator, never the truth: a row may have moved, and
//! another may stand in its place, so whoever goes there asks for the id as well, and by the id alone if that fails.

use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// The bits of a fence's row that are taken by a [`Tid`].
pub(super) const BITS: u32 = 48;

/// A row's place. Rows are counted from 1, so that 0 is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tid {
    page: u32,
    row: u16,
}

impl Tid {
    /// As a number of [`BITS`] bits; never 0.
    pub(super) fn pack(self) -> i64 {
        i64::from(self.page) << 16 | i64::from(self.row)
    }

    /// What [`pack`](Self::pack) made, whatever the bits above it say.
    pub(super) fn unpack(packed: i64) -> Option<Self> {
        let row = packed as u16;
        (row > 0).then_some(Self { page: (packed >> 16) as u32, row })
    }
}

/// As `tidrecv` reads it: the page, then the row.
impl ToSql for Tid {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.page.to_be_bytes());
        out.extend_from_slice(&self.row.to_be_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TID
    }

    to_sql_checked!();
}

impl FromSql<'_> for Tid {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let [a, b, c, d, e, f] = *raw else { return Err("a tid has six bytes".into()) };
        Ok(Self { page: u32::from_be_bytes([a, b, c, d]), row: u16::from_be_bytes([e, f]) })
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TID
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_number_and_other_bits_beside_it() {
        for tid in [Tid { page: 0, row: 1 }, Tid { page: u32::MAX, row: u16::MAX }, Tid { page: 7, row: 3 }] {
            let packed = tid.pack();
            assert!(packed > 0 && packed < 1 << BITS);
            assert_eq!(Tid::unpack(packed), Some(tid));
            assert_eq!(Tid::unpack(packed | 0x7abc << BITS), Some(tid));
        }
        assert_eq!(Tid::unpack(5 << BITS), None);
    }
}
