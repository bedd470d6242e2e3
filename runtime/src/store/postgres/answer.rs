//! What a turn's statement answers: a row per claim, and one beside them.

use std::collections::HashSet;

use tokio_postgres::Row;
use uuid::Uuid;

use super::claims;
use super::push::task_id;
use super::tid::{self, Tid};
use crate::store::{Claim, Fence};
use crate::task::TaskId;
use crate::time::Timestamp;

/// What a turn's statement says beside the claims.
pub(super) struct Header {
    pub(super) now: i64,
    pub(super) is_known: bool,
    pub(super) era: Option<i64>,
    pub(super) next: Option<i64>,
    /// The most that each queue was asked for.
    pub(super) share: usize,
    /// How many rows were chosen: more than were claimed if somebody else was faster.
    pub(super) picked: usize,
    pub(super) finished: Option<HashSet<TaskId>>,
    pub(super) cancels: Vec<TaskId>,
    /// Asked to be cancelled, and not running (any more).
    pub(super) to_cancel: Vec<Uuid>,
    pub(super) configured: Vec<String>,
    /// Whether there are limits to be asked.
    pub(super) limits: bool,
}

impl Header {
    pub(super) fn read(row: &Row) -> Self {
        let ids = |column: usize| row.get::<_, Option<Vec<Uuid>>>(column);
        let usize_at = |column: usize| usize::try_from(row.get::<_, i32>(column)).unwrap_or_default();
        Self {
            now: row.get(1),
            is_known: row.get::<_, Option<i64>>(4).is_some(),
            era: row.get(4),
            next: row.get(8),
            share: usize_at(2),
            picked: usize_at(3),
            finished: ids(12).map(|ids| ids.into_iter().map(task_id).collect()),
            cancels: ids(13).unwrap_or_default().into_iter().map(task_id).collect(),
            to_cancel: ids(14).unwrap_or_default(),
            configured: row.get::<_, Option<Vec<String>>>(15).unwrap_or_default(),
            limits: row.get::<_, Option<bool>>(16).unwrap_or_default(),
        }
    }

    pub(super) fn nothing() -> Self {
        Self {
            now: i64::MIN,
            is_known: false,
            era: None,
            next: None,
            share: 0,
            picked: 0,
            finished: None,
            cancels: Vec::new(),
            to_cancel: Vec::new(),
            configured: Vec::new(),
            limits: false,
        }
    }
}

/// A row that is a claim.
pub(super) fn read_claim(row: &Row, now: i64, slot: claims::Slot, by_place: bool) -> Claim {
    let name: Option<String> = row.get(6);
    let tid = if by_place { row.get::<_, Option<Tid>>(11).map_or(0, Tid::pack) } else { 0 };
    let first = row.get::<_, Option<i64>>(4).unwrap_or(now);
    Claim {
        fence: Fence {
            id: task_id(row.get(0)),
            epoch: row.get(1),
            named: name.is_some(),
            row: i64::from(slot) << tid::BITS | tid,
            limit: 0,
        },
        attempt: row.get::<_, i32>(2).unsigned_abs(),
        crashes: row.get::<_, i32>(3).unsigned_abs(),
        age: Timestamp::from_micros(now).since(Timestamp::from_micros(first)),
        queue: row.get(5),
        name,
        priority: row.get(7),
        eta: Timestamp::from_micros(row.get(8)),
        retry: None,
        options: row.get(9),
        payload: row.get(10),
    }
}
