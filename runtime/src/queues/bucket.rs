//! The token bucket: how many tasks a queue may dispatch now, and when the next.
//!
//! Owns the arithmetic. The state is two numbers that fit in a store's row, the clock is an argument, and nothing here
//! knows who dispatches.
//!
//! A bucket gains `rate` tokens per second, continuously, up to `bucket_size`; each dispatch, a retry's too, takes one.
//! In SQL: `least(bucket_size, tokens + (now - at) * per_second / 1e6)`, with times in microseconds.

use super::rate::Rate;
use crate::time::Timestamp;

/// What is missing of a token through rounding alone. A token that lacks no more is there; the bucket then owes it, so
/// that nothing is gained in the long run.
const ROUNDING: f64 = 1e-9;

/// How fast a queue may be, and how much of it at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    /// How fast the bucket is filled.
    pub rate: Rate,
    /// How many tokens it holds.
    pub bucket_size: u32,
}

impl Throttle {
    fn per_micro(self) -> f64 {
        self.rate.per_second() / 1e6
    }
}

/// How full a queue's bucket was, and when.
///
/// ```
/// use std::time::Duration;
/// use delay::queues::{Throttle, TokenBucket};
/// use delay::Timestamp;
///
/// let throttle = Throttle { rate: "10/s".parse()?, bucket_size: 5 };
/// let start = Timestamp::from_micros(0);
/// let mut bucket = TokenBucket::full(&throttle, start);
/// assert_eq!(bucket.take(&throttle, 8, start), 5); // the burst
/// assert_eq!(bucket.take(&throttle, 8, start), 0);
/// assert_eq!(bucket.ready(&throttle, start), Some(start.after(Duration::from_millis(100))));
/// # Ok::<(), delay::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenBucket {
    /// The tokens that were in it at `at`; a fraction is one on its way.
    pub tokens: f64,
    /// When that was.
    pub at: Timestamp,
}

impl TokenBucket {
    /// A bucket that nobody has taken from.
    #[must_use]
    pub fn full(throttle: &Throttle, now: Timestamp) -> Self {
        Self { tokens: f64::from(throttle.bucket_size), at: now }
    }

    /// The tokens in it at `now`. A clock that has gone back finds what was there before.
    #[must_use]
    pub fn level(&self, throttle: &Throttle, now: Timestamp) -> f64 {
        // A row may hold anything. What is not a number counts as empty, for too slow is safer than too fast.
        let tokens = if self.tokens.is_finite() { self.tokens } else { 0.0 };
        let gained = now.since(self.at).as_micros() as f64 * throttle.per_micro();
        (tokens + gained).min(f64::from(throttle.bucket_size))
    }

    /// Takes up to `want` tokens and says how many it took. When it took none it has not changed, and needs no writing.
    pub fn take(&mut self, throttle: &Throttle, want: u32, now: Timestamp) -> u32 {
        if throttle.rate.is_paused() {
            return 0;
        }
        let level = self.level(throttle, now);
        // `as` keeps to the range: less than nothing is 0.
        let granted = ((level + ROUNDING).floor() as u32).min(want);
        if granted > 0 {
            *self = Self { tokens: level - f64::from(granted), at: self.at.max(now) };
        }
        granted
    }

    /// Gives tokens back that were taken for tasks which were not dispatched after all.
    pub fn give_back(&mut self, throttle: &Throttle, count: u32, now: Timestamp) {
        let tokens = (self.level(throttle, now) + f64::from(count)).min(f64::from(throttle.bucket_size));
        *self = Self { tokens, at: self.at.max(now) };
    }

    /// When a token can be taken: `now`, or later; `None` while the queue is paused.
    #[must_use]
    pub fn ready(&self, throttle: &Throttle, now: Timestamp) -> Option<Timestamp> {
        if throttle.rate.is_paused() || throttle.bucket_size == 0 {
            return None;
        }
        let missing = 1.0 - self.level(throttle, now);
        if missing <= ROUNDING {
            return Some(now);
        }
        // As in `level`, a clock that went back has to come to `at` again before anything is gained.
        let micros = (missing / throttle.per_micro()).ceil() as i64;
        Some(Timestamp::from_micros(self.at.max(now).as_micros().saturating_add(micros)))
    }

    /// Counts what was gained until `now` at the rate that held so far: before another rate takes its place.
    pub fn settle(&mut self, throttle: &Throttle, now: Timestamp) {
        *self = Self { tokens: self.level(throttle, now), at: self.at.max(now) };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::rate::Per;
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn throttle(rate: &str, bucket_size: u32) -> Throttle {
        Throttle { rate: rate.parse().unwrap(), bucket_size }
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn tokens_come_continuously_and_the_bucket_holds_so_many() {
        let throttle = throttle("20/s", 40);
        let mut bucket = TokenBucket::full(&throttle, at(0));
        for (now, want, granted, why) in [
            (0, 100, 40, "the burst"),
            (0, 1, 0, "empty"),
            (49_999, 1, 0, "a twentieth of a second is not over"),
            (50_000, 1, 1, "now it is"),
            (50_000, 1, 0, "one only"),
            (75_000, 1, 0, "half a token"),
            (100_000, 9, 1, "the halves add up"),
            (SECOND + 100_000, 100, 20, "a second's worth"),
            (100 * SECOND, 0, 0, "nothing was wanted"),
            (100 * SECOND, 39, 39, "no more than the bucket holds"),
            (99 * SECOND, 2, 1, "the clock went back, and finds what was left"),
            (100 * SECOND + 50_000, 2, 1, "the second that comes again is not counted again"),
        ] {
            assert_eq!(bucket.take(&throttle, want, at(now)), granted, "{why}");
        }
    }

    #[test]
    fn slow_rates_gain_over_hours_and_days() {
        for (rate, wait) in [("2/m", 30), ("1/h", 3600), ("4/d", 21_600), ("0.5/d", 172_800)] {
            let throttle = throttle(rate, 1);
            let mut bucket = TokenBucket::full(&throttle, at(0));
            assert_eq!(bucket.take(&throttle, 1, at(0)), 1);
            assert_eq!(bucket.ready(&throttle, at(0)), Some(at(wait * SECOND)), "{rate}");
            assert_eq!(bucket.take(&throttle, 1, at((wait - 1) * SECOND)), 0, "{rate}");
            assert_eq!(bucket.take(&throttle, 1, at(wait * SECOND)), 1, "{rate}");
        }
    }

    #[test]
    fn a_paused_queue_is_never_ready() {
        let throttle = throttle("0", 5);
        let mut bucket = TokenBucket::full(&throttle, at(0));
        assert_eq!(bucket.take(&throttle, 1, at(i64::MAX)), 0);
        assert_eq!(bucket.ready(&throttle, at(0)), None);
    }

    #[test]
    fn what_was_not_dispatched_is_given_back_but_never_more_than_the_bucket_holds() {
        let throttle = throttle("1/s", 5);
        let mut bucket = TokenBucket::full(&throttle, at(0));
        assert_eq!(bucket.take(&throttle, 3, at(0)), 3);
        bucket.give_back(&throttle, 2, at(0));
        assert_eq!(bucket.level(&throttle, at(0)), 4.0);
        bucket.give_back(&throttle, 100, at(0));
        assert_eq!(bucket.level(&throttle, at(0)), 5.0);
    }

    #[test]
    fn another_rate_counts_from_its_beginning_only() {
        let (slow, fast) = (throttle("1/s", 100), throttle("50/s", 100));
        let mut bucket = TokenBucket { tokens: 0.0, at: at(0) };
        bucket.settle(&slow, at(2 * SECOND));
        assert_eq!(bucket.take(&fast, 100, at(3 * SECOND)), 52);
        let small = throttle("1/s", 3);
        let mut bucket = TokenBucket { tokens: 90.0, at: at(0) };
        assert_eq!(bucket.take(&small, 100, at(0)), 3, "a smaller bucket spills");
    }

    #[test]
    fn a_damaged_row_makes_no_burst() {
        let throttle = throttle("1/s", 5);
        for tokens in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut bucket = TokenBucket { tokens, at: at(0) };
            assert_eq!(bucket.take(&throttle, 9, at(SECOND)), 1, "{tokens}");
        }
        let mut bucket = TokenBucket { tokens: 1e300, at: at(i64::MIN) };
        assert_eq!(bucket.take(&throttle, 9, at(i64::MAX)), 5);
    }

    /// The same bucket in whole, exact numbers: a microsecond is worth `count`, a token `per` of them.
    struct Naive {
        credit: i128,
        count: i128,
        per: i128,
        size: i128,
        last: i64,
    }

    impl Naive {
        fn level(&self, now: i64) -> i128 {
            let passed = i128::from(now.max(self.last) - self.last);
            (self.credit + passed * self.count).min(self.size * self.per)
        }

        fn take(&mut self, want: u32, now: i64) -> u32 {
            let granted = (self.level(now) / self.per).min(i128::from(want));
            if granted > 0 {
                self.credit = self.level(now) - granted * self.per;
                self.last = self.last.max(now);
            }
            granted as u32
        }
    }

    proptest! {
        #[test]
        fn the_bucket_agrees_with_a_naive_model(
            count in 1_u32..5000,
            per in prop::sample::select(vec![Per::Second, Per::Minute, Per::Hour, Per::Day]),
            size in 1_u32..500,
            steps in prop::collection::vec((-2_000_000_i64..5_000_000, 0_u32..700), 1..400),
        ) {
            let throttle = Throttle { rate: Rate::new(f64::from(count), per).unwrap(), bucket_size: size };
            let mut bucket = TokenBucket::full(&throttle, at(0));
            let per = per.duration().as_micros() as i128;
            let (count, size) = (i128::from(count), i128::from(size));
            let mut naive = Naive { credit: size * per, count, per, size, last: 0 };
            let (mut now, mut total, mut expected) = (0_i64, 0_i64, 0_i64);
            for (pass, want) in steps {
                now = (now + pass).max(0);
                let before = bucket;
                let granted = bucket.take(&throttle, want, at(now));
                prop_assert!(granted > 0 || before == bucket, "none was taken, and yet it changed");
                total += i64::from(granted);
                expected += i64::from(naive.take(want, now));
                // Rounding may bring a token a moment early or late; it never brings one more.
                prop_assert!((total - expected).abs() <= 1, "{total} against {expected}");
                let model = naive.level(now) as f64 / naive.per as f64 + (expected - total) as f64;
                prop_assert!((bucket.level(&throttle, at(now)) - model).abs() < 1e-6);
                if let Some(ready) = bucket.ready(&throttle, at(now)) {
                    let mut later = bucket;
                    prop_assert_eq!(later.take(&throttle, 1, ready), 1, "ready, and nothing there");
                    let mut earlier = bucket;
                    let before = Timestamp::before(ready, Duration::from_micros(2));
                    prop_assert!(before < at(now) || earlier.take(&throttle, 1, before) == 0
                        || (1.0 - bucket.level(&throttle, before)) <= ROUNDING, "it was ready before");
                }
            }
        }
    }
}
