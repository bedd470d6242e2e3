//! A queue's configuration, and its changes, for programs.

use serde::Serialize;

use super::super::options::RetryDocument;
use crate::queues::{Change, Difference, QueueConfig, Rate};

/// A configuration, in the words of the files; lengths of time are seconds.
#[derive(Debug, Serialize)]
pub(super) struct ConfigDocument {
    mode: String,
    rate: Option<String>,
    bucket_size: u32,
    /// `null`: no limit.
    max_concurrent_requests: Option<u32>,
    target: Option<String>,
    retry: Option<RetryDocument>,
    tombstone: f64,
    paused: bool,
    /// The file that was applied last does not name it.
    stopped: bool,
}

impl From<&QueueConfig> for ConfigDocument {
    fn from(config: &QueueConfig) -> Self {
        Self {
            mode: config.mode.to_string(),
            rate: config.rate.as_ref().map(Rate::to_string),
            bucket_size: config.bucket_size,
            max_concurrent_requests: Some(config.max_concurrent_requests).filter(|most| *most != u32::MAX),
            target: config.target.clone(),
            retry: config.retry.as_ref().map(RetryDocument::from),
            tombstone: config.tombstone.as_secs_f64(),
            paused: config.paused,
            stopped: config.stopped,
        }
    }
}

/// One queue's change.
#[derive(Debug, Serialize)]
pub(super) struct ChangeDocument {
    queue: String,
    /// `add`, `alter` or `stop`.
    change: &'static str,
    /// What differs, as a person reads it.
    differences: Vec<DifferenceDocument>,
    /// What it shall be; `null` if it stops.
    config: Option<ConfigDocument>,
}

#[derive(Debug, Serialize)]
struct DifferenceDocument {
    word: &'static str,
    from: String,
    to: String,
}

impl From<&Change> for ChangeDocument {
    fn from(change: &Change) -> Self {
        let (name, config, differences) = match change {
            Change::Add(queue) => ("add", Some(queue), &[][..]),
            Change::Alter { to, differences } => ("alter", Some(to), differences.as_slice()),
            Change::Stop { .. } => ("stop", None, &[][..]),
        };
        let difference = |Difference { word, from, to }: &Difference| DifferenceDocument {
            word,
            from: from.clone(),
            to: to.clone(),
        };
        Self {
            queue: change.queue().to_owned(),
            change: name,
            differences: differences.iter().map(difference).collect(),
            config: config.map(ConfigDocument::from),
        }
    }
}
