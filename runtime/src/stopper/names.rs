//! From a task's name and call site to the cell that counts it, without a lock.
//!
//! A table of short lists that only ever grow: each link is a `OnceLock`, so finding an entry is a hash of two
//! addresses and an acquire load or two, and racing to add one has a single winner. Entries live as long as the
//! stopper; names and sites are `'static`, so there are only as many as the program's text has. It never counts.

use std::panic::Location;
use std::ptr;
use std::sync::{Arc, OnceLock};

use super::shard;

/// Lists in a table; a program has some dozens of task names.
const LISTS: usize = 64;

/// What a task is known by: its name and where it was started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub(super) name: &'static str,
    pub(super) site: &'static Location<'static>,
}

impl Label {
    /// The label of a call; the caller is where the innermost function without `#[track_caller]` made it.
    #[inline]
    #[track_caller]
    pub(super) fn here(name: &'static str) -> Self {
        Self { name, site: Location::caller() }
    }

    /// By address: one text may thus have two entries, which a `TaskMap` puts together, but comparing is free.
    #[inline]
    fn is(&self, other: &Self) -> bool {
        ptr::eq(self.name, other.name) && ptr::eq(self.site, other.site)
    }

    #[inline]
    fn list(&self) -> usize {
        // Fibonacci hashing: the high bits of the product depend on every bit of both addresses.
        let mixed = self.name.as_ptr().addr() ^ ptr::from_ref(self.site).addr().rotate_left(16);
        ((mixed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % LISTS
    }
}

/// The cells of one stopper by label and shard.
pub(super) struct Names<C> {
    lists: [Link<C>; LISTS],
}

type Link<C> = OnceLock<Box<Entry<C>>>;

struct Entry<C> {
    label: Label,
    shards: Box<[OnceLock<Arc<C>>]>,
    next: Link<C>,
}

impl<C> Names<C> {
    pub(super) fn new() -> Self {
        Self { lists: std::array::from_fn(|_| OnceLock::new()) }
    }

    /// The calling thread's cell for `label`; `make` makes it on first use. That is the only time anything blocks.
    #[inline]
    pub(super) fn cell(&self, label: Label, make: impl FnOnce(Label) -> Arc<C>) -> &Arc<C> {
        let mut link = &self.lists[label.list()];
        while let Some(entry) = link.get() {
            if entry.label.is(&label) {
                match entry.here().get() {
                    Some(cell) => return cell,
                    None => break,
                }
            }
            link = &entry.next;
        }
        Self::add(link, label, make)
    }

    /// Adds what is missing from `link` on.
    #[cold]
    fn add(mut link: &Link<C>, label: Label, make: impl FnOnce(Label) -> Arc<C>) -> &Arc<C> {
        loop {
            let entry = link.get_or_init(|| Box::new(Entry::new(label)));
            if entry.label.is(&label) {
                return entry.here().get_or_init(|| make(label));
            }
            link = &entry.next;
        }
    }
}

impl<C> Entry<C> {
    fn new(label: Label) -> Self {
        Self { label, shards: (0..shard::count()).map(|_| OnceLock::new()).collect(), next: OnceLock::new() }
    }

    /// The calling thread's.
    #[inline]
    fn here(&self) -> &OnceLock<Arc<C>> {
        &self.shards[shard::of_thread() & (self.shards.len() - 1)]
    }
}
