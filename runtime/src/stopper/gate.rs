//! The gate: counts work in and out, closes once, and says when the last has left.
//!
//! Counts are kept in cells, one for each name and shard, so that threads that admit at the same time touch different
//! cache lines and the counts by name cost nothing extra. The gate never knows what it counts, never spawns and never
//! waits.
//!
//! # Invariants
//!
//! 1. A cell's word is the number of passes out, and the `CLOSED` bit. Both are looked at and changed in **one**
//!    atomic step: an admission is a compare-exchange from a word without the bit. So once the bit is set the count
//!    only falls, and a refused call never shows in it.
//! 2. A cell is on the gate's list before it admits anything, and the list's lock orders its birth against `close`:
//!    it is either closed by `close` or born closed.
//! 3. `pending` is one share for each cell that `close` found and one for `close` itself, set before the first bit
//!    is. A cell's share is given up once: by `close` if it found no pass out, else by the pass whose return makes
//!    the word exactly `CLOSED`; by 1 the word comes to that value once.
//! 4. So `drained` opens once, after `close` is through every cell and the last pass is back. By 1 and 2 nothing can
//!    be admitted then: *seen empty* means *empty for ever*.
//! 5. All that was done under any pass happens before `drained`: returns are release steps on the word, giving up a
//!    share is acquire and release, and so is opening the latch.
//!
//! # Why it cannot deadlock
//!
//! There is one lock, the list of cells. Under it no other lock is taken and no foreign code runs: shares are given up
//! under it, but none of them is the last, because `close` still has its own, which it gives up after. An admission
//! takes no lock, neither does a return, except the very last, which takes the latch's leaf lock and wakes with none
//! held. So passes may be dropped anywhere: in a waker, in a destructor, during a panic.

use std::sync::Arc;

use super::latch::{Latch, Signal};
use super::sync::{AtomicUsize, Mutex, Ordering};

/// The top bit of a word; the rest is the count, which memory cannot overflow.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// `L` labels a cell; `H` is whatever the owner wants to reach from a pass without counting references once more.
pub(super) struct Gate<L, H> {
    drain: Arc<Drain<H>>,
    cells: Mutex<List<L, H>>,
}

struct List<L, H> {
    closed: bool,
    cells: Vec<Arc<Cell<L, H>>>,
}

struct Drain<H> {
    pending: AtomicUsize,
    drained: Latch,
    hooks: H,
}

/// Two cache lines, because processors fetch them in pairs: a neighbour's traffic must not slow this one.
#[repr(align(128))]
pub(super) struct Cell<L, H> {
    word: AtomicUsize,
    label: L,
    drain: Arc<Drain<H>>,
}

impl<L: Copy, H> Gate<L, H> {
    pub(super) fn new(hooks: H) -> Self {
        let drain = Drain { pending: AtomicUsize::new(0), drained: Latch::new(), hooks };
        Self { drain: Arc::new(drain), cells: Mutex::new(List { closed: false, cells: Vec::new() }) }
    }

    /// Makes a cell. Takes the lock, so callers keep what they got.
    pub(super) fn cell(&self, label: L) -> Arc<Cell<L, H>> {
        let mut list = self.cells.lock();
        let word = AtomicUsize::new(if list.closed { CLOSED } else { 0 });
        let cell = Arc::new(Cell { word, label, drain: Arc::clone(&self.drain) });
        list.cells.push(Arc::clone(&cell));
        cell
    }

    /// Closes every cell, for good. What is returned has to be dropped where wakers may run; `drained` cannot fire
    /// before. `None` if the gate was closed already.
    pub(super) fn close(&self) -> Option<Closing<H>> {
        let mut list = self.cells.lock();
        if list.closed {
            return None;
        }
        list.closed = true;
        // Relaxed: nobody touches `pending` before having read a `CLOSED` that the steps below release.
        self.drain.pending.store(list.cells.len() + 1, Ordering::Relaxed);
        for cell in &list.cells {
            // Release publishes `pending` to the last pass of this cell; Acquire takes over what was done under the
            // passes that are back already, because for an empty cell this step stands in for the last return.
            if cell.word.fetch_or(CLOSED, Ordering::AcqRel) == 0 {
                self.drain.give_up_share();
            }
        }
        Some(Closing(Arc::clone(&self.drain)))
    }

    /// Fires when the gate is closed and every pass is back.
    pub(super) fn drained(&self) -> Signal {
        self.drain.drained.signal()
    }

    /// The passes out by label; a label has as many rows as it has cells.
    pub(super) fn counts(&self) -> Vec<(L, usize)> {
        let list = self.cells.lock();
        list.cells.iter().map(|cell| (cell.label, cell.count())).filter(|(_, count)| *count > 0).collect()
    }

    pub(super) fn hooks(&self) -> &H {
        &self.drain.hooks
    }
}

/// The share that a closing gate holds until this is dropped.
#[must_use = "drop it where no lock is held"]
pub(super) struct Closing<H>(Arc<Drain<H>>);

impl<H> Drop for Closing<H> {
    fn drop(&mut self) {
        self.0.give_up_share();
    }
}

impl<H> Drain<H> {
    #[cold]
    fn give_up_share(&self) {
        // Release hands on what was done under this share's passes, Acquire lets the last one take over from all.
        if self.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.drained.open();
        }
    }
}

impl<L, H> Cell<L, H> {
    /// Counts one in; `None` once the gate is closed.
    #[inline]
    pub(super) fn admit(self: &Arc<Self>) -> Option<Pass<L, H>> {
        let count_in = |word| (word & CLOSED == 0).then_some(word + 1);
        // Relaxed: an admission publishes nothing and learns nothing but the word itself, and being a
        // read-modify-write it keeps the release steps of earlier returns visible to whoever drains.
        self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count_in).ok()?;
        Some(Pass { cell: Arc::clone(self) })
    }

    fn count(&self) -> usize {
        // Acquire: who reads that something ended sees what it did.
        self.word.load(Ordering::Acquire) & !CLOSED
    }

    pub(super) fn label(&self) -> &L {
        &self.label
    }

    pub(super) fn hooks(&self) -> &H {
        &self.drain.hooks
    }
}

/// One that was counted in, until it is dropped.
pub(super) struct Pass<L, H> {
    cell: Arc<Cell<L, H>>,
}

impl<L, H> Pass<L, H> {
    pub(super) fn cell(&self) -> &Cell<L, H> {
        &self.cell
    }
}

impl<L, H> Drop for Pass<L, H> {
    #[inline]
    fn drop(&mut self) {
        // Release: what was done under the pass comes before the drain. Acquire: the last one out of a closed cell
        // hands on what was done under the others of it, too, and sees `pending` as `close` has set it.
        if self.cell.word.fetch_sub(1, Ordering::AcqRel) == CLOSED | 1 {
            self.cell.drain.give_up_share();
        }
    }
}
