//! Which ids have certainly never been added: those that this process made and has not tried to add yet. Adding such a
//! task needs no look at what has finished; for any other id the store looks first, for whoever did not hear the answer
//! may ask again (see `TaskId::new`: ids of one process rise, and share their last bits).

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::id::TaskId;

/// Ids that were tried. All stores of the process share one.
#[derive(Debug)]
struct Tried {
    /// What all ids of this process end with.
    process: u64,
    /// The last ones.
    last: Ids,
    /// Those before.
    before: Ids,
    /// Up to this one, it is not known any more which were tried.
    forgotten: u128,
}

/// A set of ids, nearly all of which come in their order.
#[derive(Debug, Default)]
struct Ids {
    rising: Vec<u128>,
    /// Those that came after a higher one.
    late: BTreeSet<u128>,
}

impl Ids {
    fn len(&self) -> usize {
        self.rising.len() + self.late.len()
    }

    fn highest(&self) -> u128 {
        self.rising.last().copied().unwrap_or(0)
    }

    fn contains(&self, id: u128) -> bool {
        id <= self.highest() && (self.rising.binary_search(&id).is_ok() || self.late.contains(&id))
    }

    fn insert(&mut self, id: u128) {
        if id > self.highest() {
            self.rising.push(id);
        } else {
            self.late.insert(id);
        }
    }
}

/// So many ids are remembered at least.
const REMEMBERED: usize = 1 << 16;

const PROCESS_BITS: u64 = (1 << 54) - 1;

impl Tried {
    fn new(any: TaskId) -> Self {
        let any = number(any);
        Self {
            process: any as u64 & PROCESS_BITS,
            last: Ids::default(),
            before: Ids::default(),
            forgotten: 0,
        }
    }

    /// Notes an id; `false` if it may have been tried before.
    fn note(&mut self, id: TaskId) -> bool {
        let id = number(id);
        let is_own = id as u64 & PROCESS_BITS == self.process;
        if !is_own || id <= self.forgotten || self.last.contains(id) || self.before.contains(id) {
            return false;
        }
        if self.last.len() >= REMEMBERED {
            let forgotten = std::mem::replace(&mut self.before, std::mem::take(&mut self.last));
            self.forgotten = self.forgotten.max(forgotten.highest());
        }
        self.last.insert(id);
        true
    }
}

fn number(id: TaskId) -> u128 {
    u128::from_be_bytes(*id.as_bytes())
}

/// Whether none of these ids can be in any store. From now on they may be.
pub(super) fn are_fresh(ids: impl Iterator<Item = TaskId>) -> bool {
    static TRIED: LazyLock<Mutex<Tried>> = LazyLock::new(|| Mutex::new(Tried::new(TaskId::new())));
    let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
    // Each is noted, whatever the others are.
    ids.fold(true, |fresh, id| tried.note(id) & fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_fresh_once() {
        let mut tried = Tried::new(TaskId::new());
        let id = TaskId::new();
        assert!(tried.note(id));
        assert!(!tried.note(id));
    }

    #[test]
    fn an_id_of_another_process_is_never_fresh() {
        let mut bytes = *TaskId::new().as_bytes();
        bytes[15] ^= 1;
        assert!(!Tried::new(TaskId::new()).note(TaskId::from_bytes(bytes)));
    }

    #[test]
    fn what_was_forgotten_is_not_fresh_again() {
        let mut tried = Tried::new(TaskId::new());
        let ids: Vec<_> = (0..3 * REMEMBERED).map(|_| TaskId::new()).collect();
        assert!(ids.iter().all(|id| tried.note(*id)));
        assert!(ids.iter().all(|id| !tried.note(*id)));
        assert!(tried.last.len() + tried.before.len() <= 2 * REMEMBERED);
    }

    #[test]
    fn ids_need_not_come_in_their_order() {
        let mut tried = Tried::new(TaskId::new());
        let (first, second) = (TaskId::new(), TaskId::new());
        assert!(tried.note(second));
        assert!(tried.note(first));
    }
}
