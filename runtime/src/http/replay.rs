//! What was signed and has come: so that a request which somebody recorded does not run twice.
//!
//! Bounded in two ways: what is older than the verifier accepts is forgotten, for its timestamp refuses it; and when the
//! memory is full of what is not, the next is refused. Only requests with a right signature get here, so strangers
//! cannot fill it.

use std::collections::BTreeSet;

/// The requests of the last minutes.
#[derive(Debug)]
pub(super) struct ReplayMemory {
    /// Timestamp in seconds, then id: in the order in which they are forgotten.
    seen: BTreeSet<(i64, Box<str>)>,
    /// What was signed before this may have been forgotten. It never goes back, whatever the clock does.
    forgotten: i64,
    capacity: usize,
}

/// What the memory knows of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Never,
    Before,
    /// The memory is full, so nobody can tell.
    Unknown,
}

impl ReplayMemory {
    pub(super) fn new(capacity: usize) -> Self {
        Self { seen: BTreeSet::new(), forgotten: i64::MIN, capacity }
    }

    /// Remembers a request; forgets all that was signed before `oldest`. What it may have forgotten counts as seen.
    pub(super) fn see(&mut self, timestamp: i64, id: &str, oldest: i64) -> Seen {
        self.forgotten = self.forgotten.max(oldest);
        while self.seen.first().is_some_and(|(signed, _)| *signed < self.forgotten) {
            self.seen.pop_first();
        }
        let entry = (timestamp, Box::from(id));
        if timestamp < self.forgotten || self.seen.contains(&entry) {
            return Seen::Before;
        }
        if self.seen.len() >= self.capacity {
            return Seen::Unknown;
        }
        self.seen.insert(entry);
        Seen::Never
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_forgets_what_is_too_old_and_never_grows_beyond_its_bound() {
        let mut memory = ReplayMemory::new(2);
        assert_eq!(memory.see(10, "a", 0), Seen::Never);
        assert_eq!(memory.see(10, "a", 0), Seen::Before);
        assert_eq!(memory.see(11, "a", 0), Seen::Never, "signed anew");
        assert_eq!(memory.see(12, "b", 0), Seen::Unknown, "full");
        assert_eq!(memory.see(10, "a", 10), Seen::Before, "what is known is known even then");
        assert_eq!(memory.see(12, "b", 11), Seen::Never, "the oldest was forgotten");
        assert_eq!(memory.seen.len(), 2);
    }
}
