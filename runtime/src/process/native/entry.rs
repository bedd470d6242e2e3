//! Where a process begins: functions of this program, by name, which a child finds in its copy of the program.

use super::guest::{Guest, Threshold};

/// A function that a process can begin with; see [`entry!`](crate::process::entry).
#[derive(Debug)]
pub struct Entry {
    /// What an [`Image`] calls it.
    name: &'static str,
    run: Run,
}

#[derive(Clone, Copy, Debug)]
enum Run {
    /// Shut in from its first instruction.
    Guest(fn(Guest) -> Exit),
    /// Makes its threads first, and then shuts itself in.
    Threshold(fn(Threshold) -> Exit),
}

impl Entry {
    /// The entry of this name.
    #[must_use]
    pub const fn new(name: &'static str, run: fn(Guest) -> Exit) -> Self {
        Self { name, run: Run::Guest(run) }
    }

    /// One of this crate's own, that shuts itself in.
    pub(super) const fn early(name: &'static str, run: fn(Threshold) -> Exit) -> Self {
        Self { name, run: Run::Threshold(run) }
    }

    pub(super) fn find(name: &str) -> Option<&'static Self> {
        inventory::iter::<Self>().find(|entry| entry.name == name)
    }

    pub(super) fn run(&self, threshold: Threshold) -> Exit {
        match self.run {
            Run::Guest(run) => run(threshold.cross()),
            Run::Threshold(run) => run(threshold),
        }
    }
}

inventory::collect!(Entry);

/// Registers a function that processes can begin with: `entry!("name", function)`, the function being a
/// `fn(Guest) -> Exit` or a closure that captures nothing.
///
/// The name is unique in the program; of two of one name, either is taken.
#[macro_export]
#[doc(hidden)]
macro_rules! __process_entry {
    ($name:expr, $run:expr $(,)?) => {
        $crate::__private::inventory::submit! { $crate::process::Entry::new($name, $run) }
    };
}

#[doc(inline)]
pub use crate::__process_entry as entry;

/// How a process ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub(super) u8);

impl Exit {
    /// With nothing to tell.
    pub const SUCCESS: Self = Self(0);
    /// Because it was asked to suspend itself, and did.
    pub const SUSPENDED: Self = Self(102);

    /// With a result, 0 to 3; of a larger one the lowest two bits.
    #[must_use]
    pub fn value(value: u8) -> Self {
        Self(value & 3)
    }

    /// At a trap, of those that a process can end at by itself: ids up to 27.
    #[must_use]
    pub fn trap(trap: crate::process::trap::Trap) -> Self {
        match trap.id() {
            id @ 0..=27 => Self(100 + id),
            // These are the host's to say.
            _ => Self(u8::MAX),
        }
    }
}

/// What a process starts with: the name of its [`entry`] and what that finds as its input.
#[derive(Clone, Debug)]
pub struct Image {
    pub(super) entry: String,
    pub(super) input: Vec<u8>,
}

impl Image {
    /// The most bytes of input: 64 MiB.
    pub const MOST_INPUT: usize = 64 << 20;

    /// An image.
    #[must_use]
    pub fn new(entry: impl Into<String>, input: impl Into<Vec<u8>>) -> Self {
        Self { entry: entry.into(), input: input.into() }
    }
}
