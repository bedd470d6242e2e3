//! Where a task's row is: a 63-bit key made from its id, so that no index on ids has to be written.
//!
//! The key is the id's millisecond (48 bits) and 15 bits of its counter: keys rise with ids, and ids of one process
//! do not share one. Two processes that add tasks in the same millisecond may: then the later task is a stray. Its row
//! is at the next free key, which the small table `delay_stray` remembers.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::id::TaskId;

const COUNT_BITS: u32 = 15;

/// The first free key after a taken one: at the end of its run of neighbours.
const FREE: &str = "SELECT min(seq) + 1 FROM delay_task AS taken WHERE seq >= ?1
    AND NOT EXISTS (SELECT 1 FROM delay_task AS next WHERE next.seq = taken.seq + 1)";

/// The key at which the task's row is, unless it is a stray.
pub(super) fn own_key(id: TaskId) -> i64 {
    let bits = u128::from_be_bytes(*id.as_bytes());
    let millis = (bits >> 80) as i64;
    // The counter has 12 bits above the variant and 8 below it; the lower 15 of them count.
    let count = (((bits >> 64) & 0xfff) << 8 | (bits >> 54) & 0xff) as i64;
    (millis << COUNT_BITS) | (count & ((1 << COUNT_BITS) - 1))
}

/// The key of the task's row, if there is one.
pub(super) fn find(connection: &Connection, id: TaskId) -> rusqlite::Result<Option<i64>> {
    let own = own_key(id);
    if at(connection, own)? == Some(id) {
        return Ok(Some(own));
    }
    let stray: Option<i64> = connection
        .prepare_cached("SELECT seq FROM delay_stray WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?;
    match stray {
        Some(key) if at(connection, key)? == Some(id) => Ok(Some(key)),
        _ => Ok(None),
    }
}

/// Whether any task is a stray: nearly always none is.
pub(super) fn any_strays(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM delay_stray")?.exists([])
}

/// A key for a task whose own is another's.
pub(super) fn stray_key(connection: &Connection, id: TaskId) -> rusqlite::Result<i64> {
    let key = connection.prepare_cached(FREE)?.query_row([own_key(id)], |row| row.get(0))?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO delay_stray(id, seq) VALUES (?1, ?2)")?
        .execute(params![id.as_bytes(), key])?;
    Ok(key)
}

/// The task whose row has this key.
fn at(connection: &Connection, key: i64) -> rusqlite::Result<Option<TaskId>> {
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
    fn every_id_has_a_key_even_one_that_is_all_ones() {
        assert!(own_key(TaskId::from_bytes([255; 16])) > 0);
        assert_eq!(own_key(TaskId::from_bytes([0; 16])), 0);
    }
}
