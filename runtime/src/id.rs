//! A task's identity.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use uuid::Uuid;

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
    type Err = ParseTaskIdError;

    fn from_str(text: &str) -> Result<Self, ParseTaskIdError> {
        Uuid::try_parse(text).map(Self).map_err(|_| ParseTaskIdError(text.chars().take(60).collect()))
    }
}

/// A text that is not a task id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseTaskIdError(String);

impl fmt::Display for ParseTaskIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a task id: ids look like {}", self.0.escape_debug(), TaskId::new())
    }
}

impl std::error::Error for ParseTaskIdError {}

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
}
