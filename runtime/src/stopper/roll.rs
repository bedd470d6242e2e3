//! A list of those who must be told of one event: enter, leave, and be called exactly once.
//!
//! Wakers, tokens to cancel, handles to abort and closers to run all have the same race: somebody signs up while the
//! event happens. A roll settles it. It never calls anybody itself: [`Roll::close`] hands the entries out and its
//! caller tells them with no lock held.
//!
//! # Invariants
//!
//! 1. `closed` and the slots of a shard change under that shard's lock only. So an entry is either returned by
//!    `close`, or `enter` gave it back because the shard was closed, or its owner left before: never two of these, and
//!    never none.
//! 2. A closed shard holds no slots and never gets any again; `close` returns each entry once.
//! 3. A slot's generation goes up when it is vacated, so a [`Place`] that outlived its entry matches nothing.
//!
//! # Why it cannot deadlock
//!
//! A shard's lock is a leaf: while it is held no other lock is taken and no foreign code runs. Entries are moved in
//! and out, and dropped only after it was let go.

use std::mem;

use super::sync::{Mutex, MutexGuard};

/// Those who are to be told. Sharded, so that threads that enter and leave all the time do not meet.
pub(super) struct Roll<T> {
    shards: Box<[Shard<T>]>,
}

/// Two cache lines, because processors fetch them in pairs.
#[repr(align(128))]
struct Shard<T>(Mutex<Page<T>>);

struct Page<T> {
    closed: bool,
    slots: Vec<Slot<T>>,
    vacant: Vec<usize>,
}

struct Slot<T> {
    generation: u64,
    entry: Option<T>,
}

/// Where an entry stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    shard: usize,
    index: usize,
    generation: u64,
}

impl<T> Roll<T> {
    /// An open roll. `shards` is a power of two; with a single one, `close` returns the entries in their order as
    /// long as none has left.
    pub(super) fn new(shards: usize) -> Self {
        debug_assert!(shards.is_power_of_two());
        let page = || Page { closed: false, slots: Vec::new(), vacant: Vec::new() };
        Self { shards: (0..shards).map(|_| Shard(Mutex::new(page()))).collect() }
    }

    /// Signs `entry` up; gives it back if the roll was closed, and then the caller does what the event asks for.
    pub(super) fn enter(&self, thread: usize, entry: T) -> Result<Place, T> {
        let shard = thread & (self.shards.len() - 1);
        let mut page = self.page(shard);
        if page.closed {
            return Err(entry);
        }
        if let Some(index) = page.vacant.pop() {
            let slot = &mut page.slots[index];
            slot.entry = Some(entry);
            return Ok(Place { shard, index, generation: slot.generation });
        }
        page.slots.push(Slot { generation: 0, entry: Some(entry) });
        Ok(Place { shard, index: page.slots.len() - 1, generation: 0 })
    }

    /// Puts `entry` where another one stands; gives it back if the roll was closed. An entry for a place that was
    /// left is dropped.
    pub(super) fn replace(&self, place: Place, entry: T) -> Result<(), T> {
        let mut page = self.page(place.shard);
        if page.closed {
            return Err(entry);
        }
        let old = match page.slots.get_mut(place.index) {
            Some(slot) if slot.generation == place.generation => slot.entry.replace(entry),
            _ => Some(entry),
        };
        drop(page);
        drop(old);
        Ok(())
    }

    /// Takes an entry off. It is not told any more, unless `close` has it already.
    pub(super) fn leave(&self, place: Place) {
        let mut page = self.page(place.shard);
        let Some(slot) = page.slots.get_mut(place.index) else { return };
        if slot.generation != place.generation {
            return;
        }
        slot.generation += 1;
        let old = slot.entry.take();
        page.vacant.push(place.index);
        drop(page);
        drop(old);
    }

    /// Ends signing up and returns everybody who stands on the roll; nobody the second time.
    pub(super) fn close(&self) -> Vec<T> {
        let mut entries = Vec::new();
        for shard in 0..self.shards.len() {
            let mut page = self.page(shard);
            page.closed = true;
            let slots = mem::take(&mut page.slots);
            page.vacant = Vec::new();
            drop(page);
            entries.extend(slots.into_iter().filter_map(|slot| slot.entry));
        }
        entries
    }

    /// How many stand on the roll now.
    pub(super) fn len(&self) -> usize {
        let standing = |shard| {
            let page = self.page(shard);
            page.slots.len() - page.vacant.len()
        };
        (0..self.shards.len()).map(standing).sum()
    }

    fn page(&self, shard: usize) -> MutexGuard<'_, Page<T>> {
        self.shards[shard].0.lock()
    }
}
