//! A task: one queued call. What goes into a store ([`Task`]), and how it is known there ([`TaskId`]).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Kind};
use crate::retry::Retry;
use crate::time::Timestamp;

/// Ids of one millisecond that can be told apart: 2^20; a clock that says more is 44 bits of milliseconds (the year 2527).
const COUNTER_BITS: u32 = 20;

/// A task's identity: a UUID (version 7) made by whoever adds the task, so that adding it again after an unknown
/// outcome adds nothing twice. Ids of one process rise in the order in which they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(Uuid);

impl TaskId {
    /// A new identity.
    ///
    /// The layout is RFC 9562's version 7: 48 bits of milliseconds, then a counter of 20 bits that begins anew with
    /// each millisecond, then 54 random bits that are drawn once per process. That needs no system call and no lock
    /// per task. The counter begins somewhere in its lower part, another place for each process.
    #[must_use]
    pub fn new() -> Self {
        static PROCESS: LazyLock<(u64, u64)> = LazyLock::new(|| {
            let random = Uuid::new_v4().as_u128();
            ((random as u64) & ((1 << 54) - 1), ((random >> 112) as u64) & 0x3fff)
        });
        /// The millisecond and the counter of the last id: it never goes back, whatever the clock does.
        static LAST: AtomicU64 = AtomicU64::new(0);
        let (random, start) = *PROCESS;
        let millis =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let fresh = ((millis as u64) << COUNTER_BITS >> COUNTER_BITS << COUNTER_BITS) | start;
        let next =
            |last: u64| Some(if fresh >> COUNTER_BITS > last >> COUNTER_BITS { fresh } else { last + 1 });
        // Relaxed: only the number's uniqueness matters, it publishes nothing.
        let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_default();
        let mine = u128::from(next(last).unwrap_or_default());
        let (millis, count) = (mine >> COUNTER_BITS, mine & ((1 << COUNTER_BITS) - 1));
        let bits = (millis << 80)
            | (0x7 << 76)
            | ((count >> 8) << 64)
            | (0b10 << 62)
            | ((count & 0xff) << 54)
            | u128::from(random);
        Self(Uuid::from_u128(bits))
    }

    /// The sixteen bytes, most significant first: they sort as the ids do.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id with these sixteen bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl Default for TaskId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TaskId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Uuid::try_parse(text).map(Self).map_err(|error| {
            let message =
                format!("`{}` is not a task id: ids look like {}", text.escape_debug(), Self::new());
            Error::with_source(Kind::InvalidOption, message, error)
        })
    }
}

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
}

impl TaskOptions {
    pub(crate) fn is_default(&self) -> bool {
        self.headers.is_empty() && self.retry.is_none() && self.timeout.is_none()
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
    fn ids_are_unique_and_rise() {
        let ids: Vec<_> = (0..100_000).map(|_| TaskId::new()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn ids_of_many_threads_are_unique() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..10_000).map(|_| TaskId::new()).collect::<Vec<_>>()))
            .collect();
        let mut ids: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 40_000);
    }

    #[test]
    fn an_id_is_a_uuid_of_version_7() {
        let id = TaskId::new();
        assert_eq!(id.0.get_version_num(), 7);
        assert_eq!(id.0.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
        assert_eq!(TaskId::from_bytes(*id.as_bytes()), id);
    }

    #[test]
    fn a_bad_id_teaches() {
        let error = "17".parse::<TaskId>().unwrap_err();
        assert!(error.to_string().contains("ids look like"), "{error}");
    }

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
