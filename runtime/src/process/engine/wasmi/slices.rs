//! Fuel by the slice: how much a program gets before the host looks again, and how much is left of its allowance.

use crate::process::engine::Fault;
use crate::process::trap::Trap;

/// Some tenths of a millisecond of interpreting.
const SLICE: u64 = 50_000;

/// What a start function gets, which the host cannot interrupt.
const START: u64 = 100_000_000;

/// The fuel of one instance.
#[derive(Debug)]
pub(super) struct Slices {
    /// What is left and not in a slice; none if it is not counted.
    left: Option<u64>,
    /// What the last slice was filled up to.
    slice: u64,
}

impl Slices {
    pub(super) fn new(allowance: Option<u64>) -> Self {
        Self { left: allowance, slice: 0 }
    }

    /// The slice of a start function.
    pub(super) fn start(&mut self) -> u64 {
        self.fill(START, 0)
    }

    /// The next slice, of `at_least` this much for an instruction that takes many at once; `unused` is what is left of
    /// the last one.
    pub(super) fn next(&mut self, at_least: u64, unused: u64) -> Result<u64, Fault> {
        let slice = self.fill(SLICE.max(at_least), unused);
        if slice < at_least.max(1) {
            return Err(Fault::new(Trap::Killed, "its fuel is used up"));
        }
        Ok(slice)
    }

    fn fill(&mut self, slice: u64, unused: u64) -> u64 {
        let Some(left) = &mut self.left else { return slice };
        *left = left.saturating_add(unused);
        self.slice = slice.min(*left);
        *left -= self.slice;
        self.slice
    }

    /// What is left in all.
    pub(super) fn left(&self, unused: u64) -> Option<u64> {
        Some(self.left?.saturating_add(unused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_given_out_once() {
        let mut slices = Slices::new(Some(SLICE + 10));
        assert_eq!(slices.next(1, 0).unwrap(), SLICE);
        assert_eq!(slices.left(5), Some(15));
        assert_eq!(slices.next(1, 5).unwrap(), 15);
        assert_eq!(slices.next(1, 0).unwrap_err().trap, Trap::Killed);
    }

    #[test]
    fn what_is_not_counted_never_ends() {
        let mut slices = Slices::new(None);
        for _ in 0..10 {
            assert_eq!(slices.next(SLICE * 3, 0).unwrap(), SLICE * 3);
        }
        assert_eq!(slices.left(0), None);
    }

    #[test]
    fn one_instruction_that_wants_more_than_there_is_ends_the_program() {
        let mut slices = Slices::new(Some(SLICE));
        assert_eq!(slices.next(SLICE + 1, 0).unwrap_err().trap, Trap::Killed);
    }
}
