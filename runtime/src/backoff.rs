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

    /// The wait before the next try, of which up to a half is left out by chance: those who failed together come back
    /// one by one.
    #[cfg(feature = "postgres")]
    pub(crate) fn next_by_chance(&mut self) -> Duration {
        let wait = self.next();
        let chance = uuid::Uuid::new_v4().as_fields().0;
        wait.mul_f64(1.0 - f64::from(chance) / f64::from(u32::MAX) / 2.0)
    }

    /// It went well: begin from the start next time.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}
