//! Deliveries: tasks that somebody sent over HTTP. Owns what such a task says about where it comes from, what is decided
//! about it while its sender waits, and what the sender is told. It never touches a socket.
//!
//! A delivery is a task of its own in the receiver's store, so that it survives the receiver and comes to one outcome
//! however often it arrives. While its sender waits, retries are the sender's: a failure that may pass ends the delivery,
//! and its text says which attempt was answered, so that a later look at the record tells a failure that the sender will
//! try again from one that is final.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::Class;
use crate::id::TaskId;
use crate::outcome::{Outcome, Transition};
use crate::state::{Attempted, Policy, decide};
use crate::time::Timestamp;

/// Where a delivery comes from: the task as its sender knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    task: [u8; 16],
    queue: String,
    name: Option<String>,
    attempt: u32,
    eta: Option<i64>,
    sender: Sender,
}

/// What the sender of a delivery does about its failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sender {
    /// It waits for the outcome, and sends again what failed.
    Waits,
    /// It was told that the task is kept here: from then on it is retried here.
    Gone,
}

impl Posted {
    /// The sender's task, in its `attempt`, the first being 1.
    #[cfg(any(feature = "http", test))]
    pub(crate) fn new(
        task: TaskId,
        queue: String,
        name: Option<String>,
        attempt: u32,
        sender: Sender,
    ) -> Self {
        Self { task: *task.as_bytes(), queue, name, attempt, eta: None, sender }
    }

    /// Due at this time, as its sender says.
    #[cfg(feature = "http")]
    pub(crate) fn due(mut self, eta: Option<Timestamp>) -> Self {
        self.eta = eta.map(Timestamp::as_micros);
        self
    }

    /// The task's identity, the same in every attempt.
    #[must_use]
    pub fn task(&self) -> TaskId {
        TaskId::from_bytes(self.task)
    }

    /// The queue in which it waited at its sender's.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// Its name there.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The sender's attempt; the first is 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When it was due, if the sender says so.
    #[must_use]
    pub fn eta(&self) -> Option<Timestamp> {
        self.eta.map(Timestamp::from_micros)
    }

    /// Whether its sender waits, or waited, for the outcome of the first run.
    #[cfg(feature = "http")]
    pub(crate) fn sender_waits(&self) -> bool {
        self.sender == Sender::Waits
    }

    /// What the store does about `outcome`; as [`decide`], but that a sender who waits does the retries.
    pub(crate) fn decide(&self, outcome: Outcome, attempted: Attempted, policy: &Policy) -> Transition {
        let again = |wait, why| {
            let answered = Answered { attempt: self.attempt, wait };
            Transition::Fail { error: format!("{answered}: {why}") }
        };
        match (self.sender, outcome) {
            (Sender::Waits, Outcome::Failed(Class::Retry, why) | Outcome::Panicked(why)) => again(None, why),
            (Sender::Waits, Outcome::Failed(Class::RetryIn(wait) | Class::Snooze(wait), why)) => {
                again(Some(wait), why)
            }
            (Sender::Waits, Outcome::TimedOut(limit)) => {
                again(None, format!("ran longer than its time limit of {limit:?}"))
            }
            (_, outcome) => decide(outcome, attempted, policy),
        }
    }
}

/// How the text of a failure begins that its sender will try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// The sender's attempt that failed.
    pub(crate) attempt: u32,
    /// When the function wants to be tried again, if it says so.
    pub(crate) wait: Option<Duration>,
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the sender's attempt {} failed", self.attempt)?;
        match self.wait {
            Some(wait) => write!(f, ", to be tried again in {}", humantime::format_duration(wait)),
            None => Ok(()),
        }
    }
}

/// A text that does not begin so: a failure that is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IsFinal;

impl FromStr for Answered {
    type Err = IsFinal;

    /// Reads the beginning of an error's text.
    fn from_str(error: &str) -> Result<Self, IsFinal> {
        let rest = error.strip_prefix("the sender's attempt ").ok_or(IsFinal)?;
        let (attempt, rest) = rest.split_once(" failed").ok_or(IsFinal)?;
        let attempt = attempt.parse().map_err(|_| IsFinal)?;
        let wait = match rest.strip_prefix(", to be tried again in ") {
            Some(rest) => {
                let (wait, _) = rest.split_once(':').ok_or(IsFinal)?;
                Some(humantime::parse_duration(wait).map_err(|_| IsFinal)?)
            }
            None if rest.starts_with(':') => None,
            None => return Err(IsFinal),
        };
        Ok(Self { attempt, wait })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Hold;
    use crate::retry::Retry;

    const POLICY: Policy = Policy { retry: Retry::DEFAULT, keep_result: None };
    const FIRST: Attempted = Attempted { number: 1, age: Duration::ZERO };

    fn posted(sender: Sender) -> Posted {
        Posted::new(TaskId::new(), "mail".to_owned(), None, 3, sender)
    }

    fn failed(class: Class) -> Outcome {
        Outcome::Failed(class, "why: that".to_owned())
    }

    #[test]
    fn what_may_pass_ends_a_delivery_while_its_sender_waits() {
        let minute = Duration::from_secs(60);
        for (outcome, wait) in [
            (failed(Class::Retry), None),
            (failed(Class::RetryIn(minute)), Some(minute)),
            (failed(Class::Snooze(minute)), Some(minute)),
            (Outcome::Panicked("boom".to_owned()), None),
            (Outcome::TimedOut(minute), None),
        ] {
            let transition = posted(Sender::Waits).decide(outcome, FIRST, &POLICY);
            let Transition::Fail { error } = transition else { panic!("{transition:?}") };
            assert_eq!(error.parse(), Ok(Answered { attempt: 3, wait }), "{error}");
        }
    }

    #[test]
    fn what_is_final_is_decided_as_ever() {
        for sender in [Sender::Waits, Sender::Gone] {
            for outcome in [
                Outcome::Succeeded(None),
                failed(Class::Permanent),
                failed(Class::Cancel),
                Outcome::Cancelled,
                Outcome::Interrupted,
                Outcome::Unrunnable(Hold::Undecodable, "why".to_owned()),
            ] {
                let decided = posted(sender).decide(outcome.clone(), FIRST, &POLICY);
                assert_eq!(decided, decide(outcome, FIRST, &POLICY));
                if let Transition::Fail { error } = decided {
                    assert_eq!(error.parse::<Answered>(), Err(IsFinal));
                }
            }
        }
        let kept = posted(Sender::Gone).decide(failed(Class::Retry), FIRST, &POLICY);
        assert!(matches!(kept, Transition::Retry { .. }), "nobody else tries it again: {kept:?}");
    }
}
