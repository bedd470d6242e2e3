//! How fast attempts begin, told in turns: what a worker claims ahead goes by it.

use std::collections::VecDeque;

/// Counts attempts that begin, and turns that are sent.
#[derive(Default)]
pub(super) struct Pace {
    /// Attempts begun since the worker began.
    begun: usize,
    /// How many had begun when the last turns were sent, one for each lane, the latest first.
    sent: VecDeque<usize>,
    /// What [`lately`](Self::lately) was when the last turn was sent.
    last: usize,
}

impl Pace {
    /// An attempt begins.
    pub(super) fn begin(&mut self) {
        self.begun += 1;
    }

    /// A turn is sent, beside `busy` others of at most `lanes`.
    pub(super) fn send(&mut self, busy: usize, lanes: usize) {
        self.last = self.lately(busy);
        self.sent.truncate(lanes - 1);
        self.sent.push_front(self.begun);
    }

    /// How many attempts begin during a turn, judged by the last ones; `busy` are on their way.
    pub(super) fn per_turn(&self, busy: usize) -> usize {
        self.last.max(self.lately(busy))
    }

    /// How many attempts have begun in the time that a turn takes from being sent to the sending of the next one in its
    /// lane.
    fn lately(&self, busy: usize) -> usize {
        self.begun - self.sent.get(busy).or(self.sent.back()).unwrap_or(&0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(pace: &mut Pace, attempts: usize) {
        (0..attempts).for_each(|_| pace.begin());
    }

    #[test]
    fn a_pace_is_what_began_since_the_last_turn_or_before_it() {
        let mut pace = Pace::default();
        begin(&mut pace, 10);
        pace.send(0, 1);
        begin(&mut pace, 5);
        assert_eq!(pace.per_turn(0), 10);
        begin(&mut pace, 7);
        assert_eq!(pace.per_turn(0), 12, "faster already");
        pace.send(0, 1);
        pace.send(0, 1);
        assert_eq!(pace.per_turn(0), 0, "nothing began between the last two");
    }

    #[test]
    fn with_two_lanes_a_turn_takes_as_long_as_two_are_apart() {
        let mut pace = Pace::default();
        pace.send(0, 2);
        begin(&mut pace, 3);
        pace.send(1, 2);
        begin(&mut pace, 4);
        assert_eq!(pace.per_turn(1), 7);
    }
}
