//! What a process may use, and what becomes of its words.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::{Error, Kind, Result};

/// Where the output of a process goes.
pub type DebugLog = Arc<Mutex<dyn Write + Send>>;

/// What one process may use. Every limit ends that process alone, with a [`Cause`](super::Cause) that names it.
///
/// ```
/// use std::time::Duration;
/// use delay::process::ProcessPolicy;
///
/// let policy = ProcessPolicy::default()
///     .memory(256 << 20)
///     .cpu_time(Duration::from_secs(30))
///     .wall_time(Duration::from_secs(120));
/// ```
#[derive(Clone)]
#[must_use]
pub struct ProcessPolicy {
    pub(super) time_resolution: Duration,
    pub(super) debug_log: Option<DebugLog>,
    pub(super) cpu_time: Option<Duration>,
    pub(super) memory: u64,
    pub(super) wall_time: Option<Duration>,
    pub(super) output: u64,
    pub(super) descriptors: u32,
}

impl Default for ProcessPolicy {
    fn default() -> Self {
        Self {
            time_resolution: Duration::ZERO,
            debug_log: None,
            cpu_time: None,
            memory: 1 << 30,
            wall_time: None,
            output: 16 << 20,
            descriptors: 16,
        }
    }
}

impl ProcessPolicy {
    /// The least memory that a process can be given: the program itself takes some.
    pub const LEAST_MEMORY: u64 = 16 << 20;

    /// How finely the service `clock` tells the time: rounded down to this, at most 1 s. Exact unless said.
    pub fn time_resolution(mut self, resolution: Duration) -> Self {
        self.time_resolution = resolution;
        self
    }

    /// Where what it prints goes, line by line; to `tracing`, target `delay::isolated`, unless said.
    pub fn debug_log(mut self, log: impl Write + Send + 'static) -> Self {
        self.debug_log = Some(Arc::new(Mutex::new(log)));
        self
    }

    /// The CPU time of all its threads; unlimited unless said.
    pub fn cpu_time(mut self, limit: Duration) -> Self {
        self.cpu_time = Some(limit);
        self
    }

    /// Its memory in bytes: what it can write to, its stacks included. 1 GiB unless said.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// The time from its start to its end; unlimited unless said.
    pub fn wall_time(mut self, limit: Duration) -> Self {
        self.wall_time = Some(limit);
        self
    }

    /// What it may say, in bytes: printed lines and packets together. 16 MiB unless said.
    pub fn output(mut self, bytes: u64) -> Self {
        self.output = bytes;
        self
    }

    /// The descriptors that it may have at once, of which it begins with 5. 16 unless said.
    pub fn descriptors(mut self, descriptors: u32) -> Self {
        self.descriptors = descriptors;
        self
    }

    /// # Errors
    /// [`Error::is_invalid_option`] for what makes no sense.
    pub(super) fn check(&self) -> Result<()> {
        let wrong = |text: &str| Err(Error::new(Kind::InvalidOption, text));
        if self.time_resolution > Duration::from_secs(1) {
            return wrong("the time resolution of a process is at most 1 s");
        }
        if self.memory < Self::LEAST_MEMORY {
            return wrong("a process needs 16 MiB of memory at least: the program itself takes some");
        }
        if self.descriptors < 8 {
            return wrong("a process needs 8 descriptors at least: it begins with 5");
        }
        if self.cpu_time.is_some_and(|limit| limit.is_zero())
            || self.wall_time.is_some_and(|limit| limit.is_zero())
        {
            return wrong("a process without time would do nothing: leave the limit out for no limit");
        }
        Ok(())
    }
}

impl fmt::Debug for ProcessPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPolicy")
            .field("time_resolution", &self.time_resolution)
            .field("debug_log", &self.debug_log.is_some())
            .field("cpu_time", &self.cpu_time)
            .field("memory", &self.memory)
            .field("wall_time", &self.wall_time)
            .field("output", &self.output)
            .field("descriptors", &self.descriptors)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_resolution_is_at_most_a_second() {
        assert!(ProcessPolicy::default().time_resolution(Duration::from_secs(1)).check().is_ok());
        let error =
            ProcessPolicy::default().time_resolution(Duration::from_millis(1001)).check().unwrap_err();
        assert!(error.is_invalid_option());
    }

    #[test]
    fn limits_that_nothing_fits_in_are_refused() {
        for policy in [
            ProcessPolicy::default().memory(ProcessPolicy::LEAST_MEMORY - 1),
            ProcessPolicy::default().descriptors(5),
            ProcessPolicy::default().cpu_time(Duration::ZERO),
            ProcessPolicy::default().wall_time(Duration::ZERO),
        ] {
            assert!(policy.check().unwrap_err().is_invalid_option(), "{policy:?}");
        }
        assert!(ProcessPolicy::default().check().is_ok());
    }
}
