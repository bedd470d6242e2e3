//! Where a task's row is: a 63-bit key made from its id, so that no index on ids has to be written.
//!
//! The key is the id's millisecond (48 bits) and 15 bits of its counter: keys rise with ids, and ids of one process
//! never share one. Two processes that add tasks in the same millisecond may, so an id has eight keys, its own and
//! seven that its random bits choose; its row is at the first that was free.

use rusqlite::{Connection, OptionalExtension as _};

use crate::task::TaskId;

const COUNT_BITS: u32 = 15;

/// The keys at which the task's row may be, its own first.
pub(super) fn keys(id: TaskId) -> impl Iterator<Item = i64> {
    let bits = u128::from_be_bytes(*id.as_bytes());
    let millis = (bits >> 80) as i64;
    // The counter has 12 bits above the variant and 8 below it; the lower 15 of them count.
    let count = (((bits >> 64) & 0xfff) << 8 | (bits >> 54) & 0xff) as i64;
    let step = (bits as i64) | 1;
    (0..8).map(move |probe: i64| {
        let count = count.wrapping_add(probe.wrapping_mul(step)) & ((1 << COUNT_BITS) - 1);
        (millis << COUNT_BITS) | count
    })
}

/// The task's own key: where its row is, or would have been.
pub(super) fn own_key(id: TaskId) -> i64 {
    keys(id).next().unwrap_or_default()
}

/// The key of the task's row, if there is one.
pub(super) fn find(connection: &Connection, id: TaskId) -> rusqlite::Result<Option<i64>> {
    for key in keys(id) {
        if at(connection, key)? == Some(id) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// The task whose row has this key.
pub(super) fn at(connection: &Connection, key: i64) -> rusqlite::Result<Option<TaskId>> {
    let found = connection
        .prepare_cached("SELECT id FROM delay_task WHERE seq = ?1")?
        .query_row([key], |row| row.get(0).map(TaskId::from_bytes));
    found.optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_rise_with_ids_and_are_unique_in_one_process() {
        let keys: Vec<_> = (0..20_000).map(|_| own_key(TaskId::new())).collect();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(keys[0] > 0);
    }

    #[test]
    fn an_id_has_eight_different_keys_of_one_millisecond() {
        let mut keys: Vec<_> = keys(TaskId::new()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 8);
        assert_eq!(keys[0] >> COUNT_BITS, keys[7] >> COUNT_BITS);
    }

    #[test]
    fn every_id_has_keys_even_one_that_is_all_ones() {
        assert!(keys(TaskId::from_bytes([255; 16])).all(|key| key > 0));
        assert_eq!(own_key(TaskId::from_bytes([0; 16])), 0);
    }
}
