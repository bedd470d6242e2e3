//! How fast a target is sent to: a target that says that it has too much gets less, until it says so no more. Pure: the
//! time is an argument.

use std::time::{Duration, Instant};

/// The first pause after a target had too much, and the longest that we choose by ourselves.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The longest pause that a target may ask for.
const MOST_ASKED: Duration = Duration::from_secs(3600);

/// When a task comes again that found the target busy with all that it gets at the moment.
const TURN: Duration = Duration::from_millis(500);

/// The pace of one target.
#[derive(Debug)]
pub(super) struct Pace {
    /// Requests that may be on their way at once.
    allowed: usize,
    most: usize,
    in_flight: usize,
    pause: Duration,
    until: Option<Instant>,
}

/// What a reply says about the target's load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// It has served the request, well or not.
    Served,
    /// It has too much, or is not there; for so long, if it says so.
    TooMuch(Option<Duration>),
    /// Nobody knows: the request was broken off.
    Unknown,
}

impl Pace {
    pub(super) fn new(most: usize) -> Self {
        Self { allowed: most, most, in_flight: 0, pause: Duration::ZERO, until: None }
    }

    /// Lets a request go, or says how long to wait.
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        if let Some(until) = self.until
            && now < until
        {
            return Err(until - now);
        }
        if self.in_flight >= self.allowed {
            return Err(TURN);
        }
        self.in_flight += 1;
        Ok(())
    }

    /// A request that was let go has come back.
    pub(super) fn settle(&mut self, load: Load, now: Instant) {
        match load {
            Load::TooMuch(asked) => {
                // Those that were on their way together tell the same thing: the pause grows once.
                if self.until.is_none_or(|until| now >= until) {
                    self.allowed = (self.allowed.min(self.in_flight) / 2).max(1);
                    self.pause = (self.pause * 2).clamp(FIRST, LONGEST);
                }
                let pause = asked.unwrap_or_default().min(MOST_ASKED).max(self.pause);
                self.until = self.until.max(Some(now + pause));
            }
            Load::Served => {
                self.allowed = (self.allowed + 1).min(self.most);
                if self.until.is_none_or(|until| now >= until) {
                    (self.pause, self.until) = (Duration::ZERO, None);
                }
            }
            Load::Unknown => {}
        }
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_with_too_much_gets_a_pause_that_grows_and_then_a_little_at_a_time() {
        let (mut pace, mut now) = (Pace::new(8), Instant::now());
        for second in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(pace.admit(now), Ok(()));
            pace.settle(Load::TooMuch(None), now);
            let pause = Duration::from_secs(second);
            assert_eq!(pace.admit(now), Err(pause));
            now += pause;
        }
        assert_eq!(pace.admit(now), Ok(()));
        assert_eq!(pace.admit(now), Err(TURN), "one at a time");
        pace.settle(Load::Served, now);
        assert_eq!(
            (pace.admit(now), pace.admit(now), pace.admit(now)),
            (Ok(()), Ok(()), Err(TURN)),
            "then two"
        );
        pace.settle(Load::TooMuch(None), now);
        assert_eq!(pace.admit(now), Err(FIRST), "after a success the pauses begin anew");
    }

    #[test]
    fn a_target_says_itself_how_long() {
        let (mut pace, now) = (Pace::new(8), Instant::now());
        pace.admit(now).unwrap();
        pace.settle(Load::TooMuch(Some(Duration::from_secs(90))), now);
        assert_eq!(pace.admit(now), Err(Duration::from_secs(90)));
        let later = now + Duration::from_secs(90);
        pace.admit(later).unwrap();
        pace.settle(Load::TooMuch(Some(Duration::MAX)), later);
        assert_eq!(pace.admit(later), Err(MOST_ASKED));
    }

    #[test]
    fn what_was_sent_together_counts_once() {
        let (mut pace, now) = (Pace::new(8), Instant::now());
        for _ in 0..8 {
            pace.admit(now).unwrap();
        }
        for _ in 0..8 {
            pace.settle(Load::TooMuch(None), now);
        }
        assert_eq!((pace.allowed, pace.pause, pace.in_flight), (4, FIRST, 0));
    }

    #[test]
    fn a_success_within_the_pause_does_not_end_it() {
        let (mut pace, now) = (Pace::new(8), Instant::now());
        pace.admit(now).unwrap();
        pace.admit(now).unwrap();
        pace.settle(Load::TooMuch(None), now);
        pace.settle(Load::Served, now);
        assert_eq!(pace.admit(now), Err(FIRST));
    }
}
