//! Queues: what a queue may do, how fast, and how two configurations differ.
//!
//! Owns the words of a queue's configuration with App Engine's defaults, the arithmetic of its rate, and the
//! differences between configurations; `queues/file` (feature `queues`) reads them from files. It never keeps a
//! configuration and never dispatches: stores do the one, workers the other.
//!
//! A program carries its queues with it (`Runtime::builder(…).queue_file("delay.toml")`), or an operator applies them:
//! `delay queues apply queue.yaml`. Either way they are kept in the store and hold for everybody who works on it.

mod bucket;
mod change;
#[cfg(feature = "queues")]
pub mod file;
mod rate;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::bucket::{Throttle, TokenBucket};
pub use self::change::{Change, Difference, Resume, changes};
pub(crate) use self::change::{pause, plan, resume};
pub use self::rate::{Per, Rate};

use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::retry::Retry;

/// The queue that always exists.
pub const DEFAULT_QUEUE: &str = "default";

/// What a queue may do, in the words of App Engine's `queue.yaml`. It holds for the queue over all workers and
/// machines, not per process.
///
/// ```
/// use delay::queues::{Mode, QueueConfig};
///
/// let mut mail = QueueConfig::new("mail")?;
/// mail.rate = Some("20/s".parse()?);
/// mail.bucket_size = 40;
/// assert_eq!(mail.mode, Mode::Push);
/// assert_eq!(mail.max_concurrent_requests, 1000);
/// # Ok::<(), delay::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueueConfig {
    /// The queue's name, 1 to 100 of `A-Z a-z 0-9 -`.
    pub name: String,
    /// Who moves its tasks: workers and dispatchers, or whoever leases them.
    #[serde(default)]
    pub mode: Mode,
    /// How many tasks are dispatched per time, retries too. `None`: as many as can be. (App Engine asked for a rate in
    /// every push queue, and gave 5 per second to a `default` queue that was not configured.)
    #[serde(default)]
    pub rate: Option<Rate>,
    /// How many tasks may be dispatched at once after the queue was idle. Tasks; 5. Counts only with a `rate`.
    #[serde(default = "bucket_size")]
    pub bucket_size: u32,
    /// How many tasks may run at once. Tasks; 1000.
    #[serde(default = "max_concurrent_requests")]
    pub max_concurrent_requests: u32,
    /// Where a push queue's tasks are sent: a URL, or App Engine's `version.service`. `None`: workers run them.
    #[serde(default)]
    pub target: Option<String>,
    /// When failed tasks run again, for tasks that do not say so themselves. `None`: the function's policy.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// How long a name stays taken after its task has finished. 1 hour; App Engine's 9 days are `"9d"`.
    #[serde(default = "tombstone")]
    pub tombstone: Duration,
    /// Whether an operator stopped the queue. (`rate: 0` stops it, too.)
    #[serde(default)]
    pub paused: bool,
    /// Whether it was stopped because the file that was applied last does not name it. It keeps its tasks, and goes on
    /// when a file names it again.
    #[serde(default)]
    pub stopped: bool,
}

fn bucket_size() -> u32 {
    5
}

fn max_concurrent_requests() -> u32 {
    1000
}

fn tombstone() -> Duration {
    Duration::from_secs(3600)
}

impl QueueConfig {
    /// A push queue with App Engine's defaults.
    ///
    /// # Errors
    /// [`Error::is_invalid_queue`] if `name` is not a queue's name.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        limits::check_queue(&name)?;
        Ok(Self::named(name))
    }

    /// The configuration of `default` where nobody has said another.
    #[must_use]
    pub fn default_queue() -> Self {
        Self::named(DEFAULT_QUEUE.to_owned())
    }

    pub(crate) fn named(name: String) -> Self {
        Self {
            name,
            mode: Mode::Push,
            rate: None,
            bucket_size: bucket_size(),
            max_concurrent_requests: max_concurrent_requests(),
            target: None,
            retry: None,
            tombstone: tombstone(),
            paused: false,
            stopped: false,
        }
    }

    /// A queue that nobody has configured: nothing holds it back.
    pub(crate) fn unlimited(name: String) -> Self {
        Self { max_concurrent_requests: u32::MAX, ..Self::named(name) }
    }

    /// The rate and the burst, if there is a rate.
    #[must_use]
    pub fn throttle(&self) -> Option<Throttle> {
        self.rate.map(|rate| Throttle { rate, bucket_size: self.bucket_size })
    }

    /// Whether nothing is dispatched, be it by an operator, by a file that no longer names the queue, or by a rate of 0.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused || self.stopped || self.rate.is_some_and(Rate::is_paused)
    }

    /// How many tasks per second may be dispatched: 0 while nothing is; `None`: as many as can be.
    #[must_use]
    pub fn enforced_rate(&self) -> Option<f64> {
        if self.is_paused() { Some(0.0) } else { self.rate.map(Rate::per_second) }
    }
}

/// Who moves a queue's tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Workers run them, or a dispatcher sends them.
    #[default]
    Push,
    /// Whoever leases them does.
    Pull,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Push => "push",
            Self::Pull => "pull",
        })
    }
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "push" => Ok(Self::Push),
            "pull" => Ok(Self::Pull),
            _ => {
                let message = format!("{} is not a mode: use `push` or `pull`", limits::quoted(text));
                Err(Error::new(Kind::InvalidOption, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_begins_with_the_originals_defaults() {
        let queue = QueueConfig::new("mail").unwrap();
        assert_eq!((queue.mode, queue.bucket_size, queue.max_concurrent_requests), (Mode::Push, 5, 1000));
        assert_eq!(queue.tombstone, Duration::from_secs(3600));
        assert!(!queue.is_paused());
        assert!(QueueConfig::new("mail_2").unwrap_err().is_invalid_queue());
        assert_eq!(QueueConfig::default_queue(), QueueConfig::new("default").unwrap());
    }

    #[test]
    fn a_rate_of_zero_pauses() {
        let mut queue = QueueConfig::default_queue();
        queue.rate = Some(Rate::PAUSED);
        assert!(queue.is_paused());
        queue.rate = Some("1/d".parse().unwrap());
        assert!(!queue.is_paused());
        queue.paused = true;
        assert!(queue.is_paused());
    }

    #[test]
    fn a_configuration_survives_packing_and_an_older_one_gets_the_defaults() {
        let mut queue = QueueConfig::new("mail").unwrap();
        queue.rate = Some("0.5/m".parse().unwrap());
        queue.retry = Some(Retry::NEVER);
        let packed = crate::codec::to_vec(&queue).unwrap();
        assert_eq!(crate::codec::from_slice::<QueueConfig>(&packed).unwrap(), queue);
        let older: QueueConfig = serde_json::from_str(r#"{"name": "mail"}"#).unwrap();
        assert_eq!(older, QueueConfig::new("mail").unwrap());
    }

    #[test]
    fn a_wrong_mode_teaches() {
        let error = "pul".parse::<Mode>().unwrap_err().to_string();
        assert_eq!(error, "`pul` is not a mode: use `push` or `pull`");
    }
}
