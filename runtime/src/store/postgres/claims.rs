//! What the workers of this process still have of what each turn claimed. The database keeps a list per turn (table
//! `claim`), by which a dead worker's tasks are found; a list goes with the first turn after the last of its tasks has come
//! to something.
//!
//! A list that stays for too long does no harm: what is taken back by it must still be the worker's. So only what was
//! certainly written counts here, and a list whose last settlement was never acknowledged goes with its worker.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::store::WorkerId;

#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<HashMap<WorkerId, Turns>>);

/// A turn's number here: what a fence can carry of it. 0 is no turn.
pub(super) type Slot = u16;

/// Fences have room for so many.
const SLOTS: Slot = 1 << 15;

#[derive(Debug, Default)]
struct Turns {
    /// The turns, and how many of their tasks have not come to anything yet.
    open: HashMap<Slot, (i64, usize)>,
    /// Turns of which nothing is left.
    over: Vec<i64>,
    last: Slot,
}

impl Turns {
    fn free_slot(&mut self) -> Option<Slot> {
        if self.open.len() + 1 >= usize::from(SLOTS) {
            return None;
        }
        loop {
            self.last = (self.last + 1) % SLOTS;
            if self.last > 0 && !self.open.contains_key(&self.last) {
                return Some(self.last);
            }
        }
    }
}

impl Claims {
    fn with<T>(&self, worker: WorkerId, look: impl FnOnce(&mut Turns) -> T) -> T {
        look(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(worker).or_default())
    }

    /// A turn has claimed so many tasks. Where there is no slot left, its list stays as long as the worker.
    pub(super) fn claimed(&self, worker: WorkerId, turn: i64, tasks: usize) -> Slot {
        self.with(worker, |turns| {
            let Some(slot) = (tasks > 0).then(|| turns.free_slot()).flatten() else { return 0 };
            turns.open.insert(slot, (turn, tasks));
            slot
        })
    }

    /// A task of the turn in each of these slots has come to something.
    pub(super) fn settled(&self, worker: WorkerId, slots: impl Iterator<Item = Slot>) {
        self.with(worker, |turns| {
            for slot in slots {
                let Some((turn, left)) = turns.open.get_mut(&slot) else { continue };
                *left -= 1;
                if *left == 0 {
                    turns.over.push(*turn);
                    turns.open.remove(&slot);
                }
            }
        });
    }

    /// The turns whose lists can go; they are the caller's now.
    pub(super) fn take_over(&self, worker: WorkerId) -> Vec<i64> {
        self.with(worker, |turns| std::mem::take(&mut turns.over))
    }

    /// The lists of these turns could not be removed.
    pub(super) fn still_over(&self, worker: WorkerId, over: Vec<i64>) {
        self.with(worker, |turns| turns.over.extend(over));
    }

    pub(super) fn forget(&self, worker: WorkerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&worker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: WorkerId = WorkerId(1);

    #[test]
    fn a_list_goes_when_nothing_of_its_turn_is_left() {
        let claims = Claims::default();
        let (seven, eight) = (claims.claimed(ME, 7, 2), claims.claimed(ME, 8, 1));
        claims.settled(ME, [seven, eight].into_iter());
        assert_eq!(claims.take_over(ME), [8]);
        claims.settled(ME, [seven, seven, eight, 0].into_iter());
        assert_eq!(claims.take_over(ME), [7], "a settlement too many, or of no turn, is nothing");
    }

    #[test]
    fn what_could_not_be_removed_is_tried_again() {
        let claims = Claims::default();
        let slot = claims.claimed(ME, 7, 1);
        claims.settled(ME, [slot].into_iter());
        let over = claims.take_over(ME);
        assert!(claims.take_over(ME).is_empty());
        claims.still_over(ME, over);
        assert_eq!(claims.take_over(ME), [7]);
    }

    #[test]
    fn open_turns_have_slots_of_their_own_as_long_as_there_are_any() {
        let claims = Claims::default();
        let mut slots: Vec<Slot> = (1..i64::from(SLOTS)).map(|turn| claims.claimed(ME, turn, 1)).collect();
        assert_eq!(claims.claimed(ME, -1, 1), 0, "there is none left");
        assert_eq!(claims.claimed(ME, -2, 0), 0, "nothing was claimed");
        claims.settled(ME, [slots[5]].into_iter());
        assert_eq!(claims.claimed(ME, -3, 1), slots[5]);
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len() + 1, usize::from(SLOTS));
    }
}
