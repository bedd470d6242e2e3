//! The task state machine's one decision: what becomes of a task after an attempt. Pure: no clock, no store, no randomness.

use std::time::Duration;

use crate::failure::Class;
use crate::outcome::{Kept, Outcome, Transition};
use crate::retry::Retry;

/// What is known of the attempt when its outcome is decided upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// Which attempt it was; the first is 1.
    pub number: u32,
    /// How long ago the first attempt began.
    pub age: Duration,
}

/// How the function wants its tasks treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When to try again.
    pub retry: Retry,
    /// How long a value is kept, if at all.
    pub keep_result: Option<Duration>,
}

/// What the store does about `outcome`.
///
/// `scheduled|ready -> running -> {succeeded | ready (retry, snooze, refund) | failed | cancelled | held}`.
/// A retry after attempt `n` is retry number `n`: the first attempt's failure leads to retry 1.
#[must_use]
pub fn decide(outcome: Outcome, attempted: Attempted, policy: &Policy) -> Transition {
    let retry = |wait: Option<Duration>, error: String| {
        if policy.retry.allows(attempted.number, attempted.age) {
            let wait = wait.unwrap_or_else(|| policy.retry.backoff(attempted.number));
            Transition::Retry { wait, error }
        } else {
            Transition::Fail { error }
        }
    };
    match outcome {
        Outcome::Succeeded(value) => {
            let kept = value.zip(policy.keep_result).map(|(value, keep)| Kept { value, keep });
            Transition::Succeed(kept)
        }
        Outcome::Failed(Class::Retry, error) => retry(None, error),
        Outcome::Failed(Class::RetryIn(wait), error) => retry(Some(wait), error),
        Outcome::Failed(Class::Permanent, error) => Transition::Fail { error },
        Outcome::Failed(Class::Snooze(wait), _) => Transition::Snooze { wait },
        Outcome::Failed(Class::Cancel, reason) => Transition::Cancel { reason },
        Outcome::Panicked(error) | Outcome::Died(error) => retry(None, error),
        Outcome::TimedOut(limit) => retry(None, format!("ran longer than its time limit of {limit:?}")),
        Outcome::Cancelled => Transition::Cancel { reason: "cancelled while it ran".to_owned() },
        Outcome::Interrupted => Transition::Refund,
        Outcome::Unrunnable(hold, error) => Transition::Hold { hold, error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Hold;

    const POLICY: Policy = Policy {
        retry: Retry { limit: Some(2), ..Retry::DEFAULT },
        keep_result: Some(Duration::from_secs(60)),
    };

    fn failed(class: Class) -> Outcome {
        Outcome::Failed(class, "why".to_owned())
    }

    #[test]
    fn every_outcome_has_its_transition() {
        let why = || "why".to_owned();
        let wait = Duration::from_secs(9);
        let first = Duration::from_millis(100);
        let second = Duration::from_millis(200);
        let kept = |value| Kept { value, keep: Duration::from_secs(60) };
        let table = [
            (Outcome::Succeeded(None), 1, Transition::Succeed(None)),
            (Outcome::Succeeded(Some(vec![1])), 1, Transition::Succeed(Some(kept(vec![1])))),
            (failed(Class::Retry), 1, Transition::Retry { wait: first, error: why() }),
            (failed(Class::Retry), 2, Transition::Retry { wait: second, error: why() }),
            (failed(Class::Retry), 3, Transition::Fail { error: why() }),
            (failed(Class::RetryIn(wait)), 2, Transition::Retry { wait, error: why() }),
            (failed(Class::RetryIn(wait)), 3, Transition::Fail { error: why() }),
            (failed(Class::Permanent), 1, Transition::Fail { error: why() }),
            (failed(Class::Snooze(wait)), 3, Transition::Snooze { wait }),
            (failed(Class::Cancel), 1, Transition::Cancel { reason: why() }),
            (Outcome::Panicked(why()), 1, Transition::Retry { wait: first, error: why() }),
            (Outcome::Panicked(why()), 3, Transition::Fail { error: why() }),
            (Outcome::Died(why()), 1, Transition::Retry { wait: first, error: why() }),
            (Outcome::Died(why()), 3, Transition::Fail { error: why() }),
            (Outcome::Interrupted, 3, Transition::Refund),
            (
                Outcome::Unrunnable(Hold::UnknownFunction, why()),
                1,
                Transition::Hold { hold: Hold::UnknownFunction, error: why() },
            ),
        ];
        for (outcome, number, transition) in table {
            let attempted = Attempted { number, age: Duration::ZERO };
            assert_eq!(
                decide(outcome.clone(), attempted, &POLICY),
                transition,
                "{outcome:?} in attempt {number}"
            );
        }
    }

    #[test]
    fn a_timeout_is_a_failure_that_says_its_limit() {
        let attempted = Attempted { number: 3, age: Duration::ZERO };
        let transition = decide(Outcome::TimedOut(Duration::from_secs(2)), attempted, &POLICY);
        assert_eq!(transition, Transition::Fail { error: "ran longer than its time limit of 2s".to_owned() });
    }

    #[test]
    fn a_value_is_dropped_unless_it_is_to_be_kept() {
        let attempted = Attempted { number: 1, age: Duration::ZERO };
        let policy = Policy { keep_result: None, ..POLICY };
        assert_eq!(decide(Outcome::Succeeded(Some(vec![1])), attempted, &policy), Transition::Succeed(None));
    }

    #[test]
    fn an_age_limit_ends_retries_by_the_time_since_the_first_attempt() {
        let retry = Retry { limit: None, age_limit: Some(Duration::from_secs(10)), ..Retry::DEFAULT };
        let policy = Policy { retry, keep_result: None };
        let at = |secs| {
            decide(failed(Class::Retry), Attempted { number: 9, age: Duration::from_secs(secs) }, &policy)
        };
        assert!(matches!(at(10), Transition::Retry { .. }));
        assert!(matches!(at(11), Transition::Fail { .. }));
    }
}
