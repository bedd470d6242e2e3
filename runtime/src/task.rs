//! A task: one queued call, as it goes into a store, and the states that it can be in there.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};
pub(crate) use crate::id::TaskId;
use crate::posted::Posted;
use crate::retry::Retry;
use crate::time::Timestamp;

/// When a task is due. The store's clock decides what "now" is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Due {
    /// As soon as a worker is free.
    #[default]
    Now,
    /// Not before this much time has passed since it was added.
    In(Duration),
    /// Not before this time (G5); a time that has passed means now.
    At(Timestamp),
}

impl Due {
    /// The time itself, for a task added at `now`.
    #[must_use]
    pub fn eta(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now => now,
            Self::In(delay) => now.after(delay),
            Self::At(time) => time.max(now),
        }
    }
}

/// The options that only some tasks have; the stores keep them as they are, packed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskOptions {
    /// Name and value pairs for `ctx.headers()`; names are case-insensitive.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Instead of the function's retry policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Instead of the function's time limit per attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Where it comes from, if somebody sent it over HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posted: Option<Posted>,
}

impl TaskOptions {
    pub(crate) fn is_default(&self) -> bool {
        self.headers.is_empty() && self.retry.is_none() && self.timeout.is_none() && self.posted.is_none()
    }
}

/// One queued call on its way into a store.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its identity.
    pub id: TaskId,
    /// The queue it waits in.
    pub queue: Cow<'static, str>,
    /// Its name: while it is pending, and for the tombstone time after, no other task of the queue can have it.
    pub name: Option<String>,
    /// When it is due.
    pub due: Due,
    /// Lower numbers run first.
    pub priority: i16,
    /// A label for people and for leasing by tag.
    pub tag: Option<String>,
    /// Packed [`TaskOptions`], if any differs from the default.
    pub options: Option<Vec<u8>>,
    /// The invocation.
    pub payload: Vec<u8>,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum TaskState {
    /// Due, and waiting for a worker.
    Ready = 0,
    /// Waiting for its time.
    Scheduled = 1,
    /// A worker has it.
    Running = 2,
    /// Set aside with the reason: unknown function, undecodable payload, or repeated crashes. Nothing is lost.
    Held = 3,
    /// Done.
    Succeeded = 4,
    /// Given up.
    Failed = 5,
    /// Taken back by somebody.
    Cancelled = 6,
}

impl TaskState {
    /// All of them, in the order of life.
    pub const ALL: [Self; 7] = [
        Self::Ready,
        Self::Scheduled,
        Self::Running,
        Self::Held,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether the task will not run again by itself and nobody has to act.
    #[must_use]
    pub fn is_finished(self) -> bool {
        self >= Self::Succeeded
    }

    /// The state's name, as shown and as read back by [`FromStr`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Held => "held",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i64 == code)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TaskState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            Error::new(
                Kind::InvalidOption,
                format!("`{}` is not a task state: use one of {all}", text.escape_debug()),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_has_passed_means_now() {
        let now = Timestamp::from_micros(100);
        assert_eq!(Due::At(Timestamp::from_micros(5)).eta(now), now);
        assert_eq!(Due::In(Duration::from_micros(7)).eta(now), Timestamp::from_micros(107));
    }

    #[test]
    fn states_survive_their_names_and_codes() {
        for state in TaskState::ALL {
            assert_eq!(state.as_str().parse::<TaskState>().unwrap(), state);
            assert_eq!(TaskState::from_code(state as i64), Some(state));
        }
        assert!("done".parse::<TaskState>().is_err());
    }
}
