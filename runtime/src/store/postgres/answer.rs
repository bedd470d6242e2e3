//! What the statements of a turn answer: a row per claim, and one with all else.

use std::collections::HashSet;

use tokio_postgres::Row;
use uuid::Uuid;

use super::bundle;
use super::claims;
use super::push::task_id;
use super::tid::{self, Tid};
use crate::store::{Claim, Fence};
use crate::task::TaskId;
use crate::time::Timestamp;

/// What a turn says beside the claims.
pub(super) struct Header {
    pub(super) now: i64,
    /// None if nobody knows the worker.
    pub(super) era: Option<i64>,
    pub(super) next: Option<i64>,
    pub(super) cancels: Vec<TaskId>,
    /// Asked to be cancelled, and not running (any more).
    pub(super) to_cancel: Vec<Uuid>,
    pub(super) configured: HashSet<String>,
    /// Whether there are limits to be asked.
    pub(super) limits: bool,
    /// What finished; all that was asked for if there is no list.
    pub(super) finished: Option<HashSet<TaskId>>,
}

impl Header {
    pub(super) fn read(row: &Row) -> Self {
        let ids = |column: usize| row.get::<_, Option<Vec<Uuid>>>(column);
        Self {
            now: row.get(0),
            era: row.get(1),
            next: row.get(2),
            cancels: ids(3).unwrap_or_default().into_iter().map(task_id).collect(),
            to_cancel: ids(4).unwrap_or_default(),
            configured: row.get::<_, Option<Vec<String>>>(5).into_iter().flatten().collect(),
            limits: row.get(6),
            finished: ids(7).map(|ids| ids.into_iter().map(task_id).collect()),
        }
    }
}

/// What a claim brought.
pub(super) struct Claimed {
    pub(super) claims: Vec<Claim>,
    /// The most that each queue was asked for.
    pub(super) share: usize,
}

/// A row that is a claim.
pub(super) fn read_claim(row: &Row, slot: claims::Slot, by_place: bool) -> Claim {
    let now: i64 = row.get(12);
    let name: Option<String> = row.get(6);
    let tid = if by_place { row.get::<_, Option<Tid>>(11).map_or(0, Tid::pack) } else { 0 };
    let first = row.get::<_, Option<i64>>(4).unwrap_or(now);
    let (epoch, options, payload): (i64, Option<Vec<u8>>, Vec<u8>) = (row.get(1), row.get(9), row.get(10));
    let size = payload.len() + options.as_ref().map_or(0, Vec::len);
    Claim {
        fence: Fence {
            id: task_id(row.get(0)),
            epoch,
            named: name.is_some(),
            row: i64::from(slot) << tid::BITS | tid,
            // Of an earlier attempt, there may be an error of any length.
            large: size > bundle::LARGEST || epoch > 1,
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
        options,
        payload,
    }
}

/// The most that each queue was asked for, as each claim says.
pub(super) fn read_share(row: &Row) -> usize {
    usize::try_from(row.get::<_, i32>(13)).unwrap_or_default()
}
