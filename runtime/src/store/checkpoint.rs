//! The port for what running tasks leave behind, so that the next attempt need not begin at the beginning: the snapshots
//! of programs that can be suspended.
//!
//! A checkpoint belongs to a task, not to an attempt: it outlives a retry, a refund and a crash, and goes when the task
//! has ended (at once or with the next upkeep), when it is deleted, and when somebody retries it by hand, which means
//! from the beginning. Plain tasks have none, and nothing of theirs is written or read here.

use super::{Fence, Pending, Settled};
use crate::error::{Error, Kind, Result};
use crate::id::TaskId;

/// The most bytes of one checkpoint that any store takes: 64 MiB.
pub const MOST_BYTES: usize = 64 << 20;

/// Checkpoints of running tasks, and the wish that a task be suspended.
pub trait Checkpoints {
    /// Keeps these bytes for the task's next attempt, in place of what was kept before; none removes it. Durable when
    /// this returns, and refused like every write of an attempt that does not count any more (G2).
    ///
    /// # Errors
    /// [`is_snapshot_too_large`](crate::Error::is_snapshot_too_large) beyond [`MOST_BYTES`]; what was kept stays.
    fn checkpoint(&self, fence: Fence, bytes: Option<Vec<u8>>) -> Pending<'_, Settled>;

    /// What the last checkpoint has kept of a task, if anything.
    fn snapshot(&self, id: TaskId) -> Pending<'_, Option<Vec<u8>>>;

    /// Of these running tasks, those that somebody wants suspended ([`Action::Suspend`](super::Action::Suspend)).
    fn suspends(&self, ids: Vec<TaskId>) -> Pending<'_, Vec<TaskId>>;
}

/// Refuses what is too large for any store.
pub(crate) fn check_size(bytes: Option<&Vec<u8>>) -> Result<()> {
    match bytes.map(Vec::len) {
        Some(size) if size > MOST_BYTES => {
            let text = format!(
                "the checkpoint takes {size} bytes and {MOST_BYTES} are allowed: let the program use less memory"
            );
            Err(Error::new(Kind::SnapshotTooLarge, text))
        }
        _ => Ok(()),
    }
}
