//! What a queue's configuration lets a claim take now: the arithmetic that every store claims by. Pure; the store keeps
//! the two numbers of the bucket and knows how many tasks run.

use std::time::Duration;

use super::Queues;
use crate::queues::{Mode, QueueConfig, Throttle, TokenBucket};
use crate::time::Timestamp;

/// Workers do not come back for tokens more often than this: a few at a time are as good, and cheaper.
const EASE: Duration = Duration::from_millis(10);

/// When a queue is looked at again that has as many running as may be: whoever ends one of them says so, but words get
/// lost between machines.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The limits of one queue, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limit {
    pub(crate) terms: Terms,
    pub(crate) bucket: TokenBucket,
    /// How many of its tasks run.
    pub(crate) running: u64,
}

/// What the configuration says to a claim.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Terms {
    pub(crate) gate: Gate,
    pub(crate) throttle: Option<Throttle>,
    /// How many may run at once.
    pub(crate) concurrent: u32,
}

/// Who may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Everybody,
    /// Whoever names the queue: it has a target.
    Named,
    Nobody,
}

impl Terms {
    pub(crate) fn of(config: &QueueConfig) -> Self {
        let gate = match config {
            config if config.mode == Mode::Pull || config.is_paused() => Gate::Nobody,
            QueueConfig { target: Some(_), .. } => Gate::Named,
            _ => Gate::Everybody,
        };
        Self { gate, throttle: config.throttle(), concurrent: config.max_concurrent_requests }
    }

    /// The bucket of a queue that gets these terms after others; a new one is full.
    pub(crate) fn bucket(&self, before: Option<(Throttle, TokenBucket)>, now: Timestamp) -> TokenBucket {
        match (self.throttle, before) {
            (Some(_), Some((throttle, mut bucket))) => {
                bucket.settle(&throttle, now);
                bucket
            }
            (Some(throttle), None) => TokenBucket::full(&throttle, now),
            (None, _) => TokenBucket { tokens: 0.0, at: now },
        }
    }
}

impl Limit {
    /// Whether such a claim may take from the queue at all.
    pub(crate) fn admits(&self, queues: &Queues) -> bool {
        match self.terms.gate {
            Gate::Everybody => true,
            Gate::Named => matches!(queues, Queues::Only(_)),
            Gate::Nobody => false,
        }
    }

    /// Whether as many run as may: the end of one of them lets another go.
    pub(crate) fn is_full(&self) -> bool {
        self.running >= u64::from(self.terms.concurrent)
    }

    /// How many tasks may be claimed now.
    pub(crate) fn room(&self, now: Timestamp) -> usize {
        let places = u64::from(self.terms.concurrent).saturating_sub(self.running);
        let tokens = self.terms.throttle.map_or(u64::MAX, |throttle| {
            // A copy is asked: what is taken is written once it is known.
            u64::from(TokenBucket::take(&mut { self.bucket }, &throttle, u32::MAX, now))
        });
        usize::try_from(places.min(tokens)).unwrap_or(usize::MAX)
    }

    /// So many were claimed, no more than there was room for.
    pub(crate) fn took(&mut self, count: usize, now: Timestamp) {
        self.running += count as u64;
        if let Some(throttle) = self.terms.throttle {
            self.bucket.take(&throttle, u32::try_from(count).unwrap_or(u32::MAX), now);
        }
    }

    /// When it is worth while to ask again for tasks that the limits keep back; nothing if there is no room but for want
    /// of tasks.
    pub(crate) fn wait(&self, now: Timestamp) -> Option<Duration> {
        if self.is_full() {
            return Some(LOOK_AGAIN);
        }
        let throttle = self.terms.throttle?;
        let one = self.bucket.ready(&throttle, now)?.since(now);
        if one.is_zero() {
            return None;
        }
        // Half a bucket: one that is full while nobody comes loses what it would have gained.
        let half = f64::from(throttle.bucket_size / 2).max(1.0) / throttle.rate.per_second();
        Some(one.max(EASE.min(Duration::try_from_secs_f64(half).unwrap_or(one))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limit(rate: Option<&str>, bucket_size: u32, concurrent: u32) -> Limit {
        let mut config = QueueConfig::default_queue();
        config.rate = rate.map(|rate| rate.parse().unwrap());
        (config.bucket_size, config.max_concurrent_requests) = (bucket_size, concurrent);
        let terms = Terms::of(&config);
        Limit { terms, bucket: terms.bucket(None, at(0)), running: 0 }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_narrower_of_both_limits_counts() {
        let mut limit = limit(Some("1/s"), 5, 3);
        assert_eq!(limit.room(at(0)), 3);
        limit.took(3, at(0));
        assert_eq!((limit.room(at(0)), limit.wait(at(0))), (0, Some(LOOK_AGAIN)));
        limit.running = 0;
        assert_eq!(limit.room(at(0)), 2);
        limit.took(2, at(0));
        assert_eq!((limit.room(at(0)), limit.wait(at(0))), (0, Some(SECOND)));
        limit.running = 0;
        assert_eq!(limit.room(at(1)), 1);
    }

    #[test]
    fn fast_queues_are_not_asked_for_each_token() {
        let mut fast = limit(Some("1000/s"), 100, 1000);
        fast.took(100, at(0));
        assert_eq!(fast.wait(at(0)), Some(EASE));
        let mut shallow = limit(Some("1000/s"), 4, 1000);
        shallow.took(4, at(0));
        assert_eq!(shallow.wait(at(0)), Some(Duration::from_millis(2)));
    }

    #[test]
    fn who_may_claim_depends_on_mode_target_and_pause() {
        let (all, only) = (Queues::All, Queues::Only(vec!["default".to_owned()].into()));
        let admits = |change: fn(&mut QueueConfig)| {
            let mut config = QueueConfig::default_queue();
            change(&mut config);
            let terms = Terms::of(&config);
            let limit = Limit { terms, bucket: terms.bucket(None, at(0)), running: 0 };
            (limit.admits(&all), limit.admits(&only))
        };
        assert_eq!(admits(|_| ()), (true, true));
        assert_eq!(admits(|queue| queue.target = Some("https://a/".to_owned())), (false, true));
        assert_eq!(admits(|queue| queue.mode = Mode::Pull), (false, false));
        assert_eq!(admits(|queue| queue.paused = true), (false, false));
        assert_eq!(admits(|queue| queue.rate = Some(crate::queues::Rate::PAUSED)), (false, false));
    }

    #[test]
    fn a_changed_rate_keeps_what_was_gained_and_a_first_one_begins_full() {
        let (old, new) = (limit(Some("1/s"), 10, 1), limit(Some("5/s"), 10, 1));
        let throttle = old.terms.throttle.unwrap();
        let mut bucket = old.bucket;
        bucket.take(&throttle, 10, at(0));
        let bucket = new.terms.bucket(Some((throttle, bucket)), at(3));
        assert_eq!(bucket.level(&new.terms.throttle.unwrap(), at(3)), 3.0);
        assert_eq!(new.terms.bucket(None, at(3)).tokens, 10.0);
    }
}
