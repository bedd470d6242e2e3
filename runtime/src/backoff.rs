//! Waits between tries of something that is in trouble.

use std::time::Duration;

/// Doubles from `first` to `most`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    /// The wait before the next try.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.most);
        wait
    }

    /// It went well: begin from the start next time.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}
