//! The retry policy: whether there is another attempt, and when. Pure arithmetic; no clock, no store.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a failed task runs again, with App Engine's rules and names.
///
/// Before retry `n` (the first is 1) the wait is, with `e = min(n - 1, max_doublings)`:
/// `min(max_backoff, min_backoff * 2^e * max(1, n - e))`: it doubles `max_doublings` times and then grows evenly.
/// Source: the `retry_parameters` of App Engine's `queue.yaml`.
///
/// `limit` counts retries, so a limit of 7 is up to 8 attempts. With both a `limit` and an `age_limit`, a retry is
/// allowed as long as **either** holds; with neither, always.
///
/// ```
/// use std::time::Duration;
/// let retry = delay::Retry { min_backoff: Duration::from_secs(10), max_backoff: Duration::from_secs(300),
///     max_doublings: 3, ..delay::Retry::DEFAULT };
/// let waits: Vec<u64> = (1..=8).map(|n| retry.backoff(n).as_secs()).collect();
/// assert_eq!(waits, [10, 20, 40, 80, 160, 240, 300, 300]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The most retries. `None`: no limit by count.
    pub limit: Option<u32>,
    /// The longest time after the first attempt at which a retry may still be made. `None`: no limit by age.
    pub age_limit: Option<Duration>,
    /// The wait before the first retry.
    pub min_backoff: Duration,
    /// No wait is longer.
    pub max_backoff: Duration,
    /// How often the wait doubles.
    pub max_doublings: u32,
}

impl Retry {
    /// App Engine's waits (0.1 s, doubled 16 times, at most an hour) and 25 retries: a task that keeps failing is
    /// given up as `failed`, and kept, after about eleven hours.
    pub const DEFAULT: Self = Self {
        limit: Some(25),
        age_limit: None,
        min_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(3600),
        max_doublings: 16,
    };

    /// One attempt only.
    pub const NEVER: Self = Self { limit: Some(0), ..Self::DEFAULT };

    /// The wait before retry `n`, the first being 1.
    #[must_use]
    pub fn backoff(&self, n: u32) -> Duration {
        let doublings = n.saturating_sub(1).min(self.max_doublings);
        let steps = n.saturating_sub(doublings).max(1);
        1_u32
            .checked_shl(doublings)
            .and_then(|factor| self.min_backoff.checked_mul(factor))
            .and_then(|wait| wait.checked_mul(steps))
            .map_or(self.max_backoff, |wait| wait.min(self.max_backoff))
    }

    /// Whether retry `n` may be made when the first attempt was `age` ago.
    #[must_use]
    pub fn allows(&self, n: u32, age: Duration) -> bool {
        match (self.limit, self.age_limit) {
            (None, None) => true,
            (Some(limit), None) => n <= limit,
            (None, Some(age_limit)) => age <= age_limit,
            (Some(limit), Some(age_limit)) => n <= limit || age <= age_limit,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_wait_doubles_then_grows_evenly_then_stays() {
        let retry = Retry { max_doublings: 0, min_backoff: Duration::from_secs(1), ..Retry::DEFAULT };
        assert_eq!((1..5).map(|n| retry.backoff(n).as_secs()).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(Retry::DEFAULT.backoff(1), Duration::from_millis(100));
        assert_eq!(Retry::DEFAULT.backoff(2), Duration::from_millis(200));
        assert_eq!(Retry::DEFAULT.backoff(17), HOUR);
    }

    #[test]
    fn no_retry_number_overflows() {
        let endless = Retry { max_doublings: u32::MAX, ..Retry::DEFAULT };
        for n in [0, 1, 31, 32, 33, 64, u32::MAX] {
            assert!(endless.backoff(n) <= HOUR);
            assert!(Retry::DEFAULT.backoff(n) <= HOUR);
        }
    }

    #[test]
    fn either_limit_is_enough_to_allow_a_retry() {
        let by = |limit, age_limit| Retry { limit, age_limit, ..Retry::DEFAULT };
        for (retry, n, age, allowed) in [
            (by(None, None), u32::MAX, Duration::MAX, true),
            (by(Some(7), None), 7, Duration::MAX, true),
            (by(Some(7), None), 8, Duration::ZERO, false),
            (by(None, Some(HOUR)), u32::MAX, HOUR, true),
            (by(None, Some(HOUR)), 1, HOUR + Duration::from_nanos(1), false),
            (by(Some(7), Some(HOUR)), 8, HOUR, true),
            (by(Some(7), Some(HOUR)), 7, HOUR * 2, true),
            (by(Some(7), Some(HOUR)), 8, HOUR * 2, false),
            (Retry::NEVER, 1, Duration::ZERO, false),
        ] {
            assert_eq!(retry.allows(n, age), allowed, "{retry:?} n={n} age={age:?}");
        }
    }
}
