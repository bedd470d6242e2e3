//! Which shard a thread uses, and how many shards there are. It never stores anything per stopper.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// More would cost memory on large machines and no longer lessen contention.
const MOST: usize = 64;

/// How many shards everything that is sharded has: a power of two, about two for each core, because threads are
/// dealt out in turn and a process has more threads than cores.
pub(super) fn count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| {
        let cores = available_parallelism().map_or(1, usize::from);
        (2 * cores).next_power_of_two().min(MOST)
    })
}

/// The calling thread's number, the same for its whole life; taken modulo [`count`] it is its shard.
#[inline]
pub(super) fn of_thread() -> usize {
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(NONE) };
    }
    let number = NUMBER.get();
    if number != NONE {
        return number;
    }
    let number = next();
    NUMBER.set(number);
    number
}

/// No thread's number.
const NONE: usize = usize::MAX;

#[cold]
fn next() -> usize {
    // Relaxed: the number only has to be handed out once; nothing is published with it.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
