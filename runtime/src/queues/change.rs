//! What would change if one set of configurations took the place of another: for `--dry-run`, and to apply.

use std::fmt;

use super::{DEFAULT_QUEUE, QueueConfig};
use crate::retry::Retry;

/// One queue's change. Prints on one line, for people.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The queue is new.
    Add(QueueConfig),
    /// The queue stays and some of its settings change.
    Alter {
        /// What it shall be.
        to: QueueConfig,
        /// What differs, in the order of the words.
        differences: Vec<Difference>,
    },
    /// The queue is no longer named. As in App Engine it is stopped, and its tasks stay until somebody deletes them.
    Stop {
        /// Its name.
        queue: String,
    },
}

/// One setting that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The setting, as a file writes it.
    pub word: &'static str,
    /// Its value so far, as a person reads it.
    pub from: String,
    /// Its value to be.
    pub to: String,
}

impl Change {
    /// The name of the queue.
    #[must_use]
    pub fn queue(&self) -> &str {
        match self {
            Self::Add(queue) | Self::Alter { to: queue, .. } => &queue.name,
            Self::Stop { queue } => queue,
        }
    }
}

/// What has to change so that `current` becomes `wanted`, in the order of `wanted`; queues that stop come last. The
/// default queue always exists: where nobody names it, it has its defaults.
///
/// ```
/// use delay::queues::{QueueConfig, changes};
///
/// let current = [QueueConfig::new("mail")?, QueueConfig::new("old")?];
/// let mut mail = QueueConfig::new("mail")?;
/// mail.rate = Some("20/s".parse()?);
/// let lines: Vec<String> = changes(&current, &[mail]).iter().map(ToString::to_string).collect();
/// assert_eq!(lines, ["~ mail: rate no limit -> 20/s", "- old: no longer named: it stops and keeps its tasks"]);
/// # Ok::<(), delay::Error>(())
/// ```
#[must_use]
pub fn changes(current: &[QueueConfig], wanted: &[QueueConfig]) -> Vec<Change> {
    let default = QueueConfig::default_queue();
    let current = || current.iter().chain(missing(current, &default));
    let wanted = || wanted.iter().chain(missing(wanted, &default));
    let mut changes: Vec<Change> = wanted()
        .filter_map(|to| match current().find(|queue| queue.name == to.name) {
            None => Some(Change::Add(to.clone())),
            Some(from) => {
                let differences = differences(from, to);
                (!differences.is_empty()).then(|| Change::Alter { to: to.clone(), differences })
            }
        })
        .collect();
    let gone = current().filter(|queue| !queue.stopped && wanted().all(|other| other.name != queue.name));
    changes.extend(gone.map(|queue| Change::Stop { queue: queue.name.clone() }));
    changes
}

/// Whether applying queues lets those go on that an operator has paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resume {
    /// What an operator has paused stays so.
    #[default]
    ByOperator,
    /// All go on but those that are applied as paused.
    WithFile,
}

/// What applying `wanted` changes, an operator's word kept unless it is overruled.
pub(crate) fn plan(current: &[QueueConfig], mut wanted: Vec<QueueConfig>, resume: Resume) -> Vec<Change> {
    if resume == Resume::ByOperator {
        for queue in &mut wanted {
            queue.paused |= current.iter().any(|other| other.name == queue.name && other.paused);
        }
    }
    changes(current, &wanted)
}

/// What pausing a queue changes. One without a configuration gets one that does nothing else.
pub(crate) fn pause(current: &[QueueConfig], name: &str) -> Option<Change> {
    let from = current.iter().find(|queue| queue.name == name).cloned();
    let from = from.unwrap_or_else(|| QueueConfig::unlimited(name.to_owned()));
    alter(from.clone(), QueueConfig { paused: true, ..from })
}

/// What it changes that a queue goes on which was paused or stopped.
pub(crate) fn resume(current: &[QueueConfig], name: &str) -> Option<Change> {
    let from = current.iter().find(|queue| queue.name == name)?.clone();
    alter(from.clone(), QueueConfig { paused: false, stopped: false, ..from })
}

fn alter(from: QueueConfig, to: QueueConfig) -> Option<Change> {
    let differences = differences(&from, &to);
    (!differences.is_empty()).then_some(Change::Alter { to, differences })
}

impl Change {
    /// The configuration that is to be kept; nothing if the queue needs none any more. `current` is the queue's so far.
    pub(crate) fn outcome(&self, current: Option<&QueueConfig>) -> Option<QueueConfig> {
        let to = match self {
            Self::Add(queue) | Self::Alter { to: queue, .. } => queue.clone(),
            Self::Stop { queue } => {
                let queue = current.cloned().unwrap_or_else(|| QueueConfig::unlimited(queue.clone()));
                QueueConfig { stopped: true, ..queue }
            }
        };
        (to != QueueConfig::unlimited(to.name.clone())).then_some(to)
    }
}

/// The default queue, if it is not among `queues`.
fn missing<'a>(queues: &[QueueConfig], default: &'a QueueConfig) -> Option<&'a QueueConfig> {
    queues.iter().all(|queue| queue.name != DEFAULT_QUEUE).then_some(default)
}

fn differences(from: &QueueConfig, to: &QueueConfig) -> Vec<Difference> {
    let pairs = settings(from).into_iter().zip(settings(to));
    pairs
        .filter(|((_, from), (_, to))| from != to)
        .map(|((word, from), (_, to))| Difference { word, from, to })
        .collect()
}

/// Every setting as a file writes it, with its value as a person reads it. Complete by destructuring: a new field that
/// is not shown here does not compile.
fn settings(queue: &QueueConfig) -> Vec<(&'static str, String)> {
    let QueueConfig {
        name: _,
        mode,
        rate,
        bucket_size,
        max_concurrent_requests,
        target,
        retry,
        tombstone,
        paused,
        stopped,
    } = queue;
    let said = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let most = |most: u32| if most == u32::MAX { "no limit".to_owned() } else { most.to_string() };
    let mut settings = vec![
        ("mode", mode.to_string()),
        ("rate", rate.map_or_else(|| "no limit".to_owned(), |rate| rate.to_string())),
        ("bucket_size", bucket_size.to_string()),
        ("max_concurrent_requests", most(*max_concurrent_requests)),
        ("target", target.clone().unwrap_or_else(|| "none".to_owned())),
        ("tombstone", humantime::format_duration(*tombstone).to_string()),
        ("paused", said(*paused)),
        ("stopped", said(*stopped)),
    ];
    settings.extend(retry_settings(retry.as_ref()));
    settings
}

fn retry_settings(retry: Option<&Retry>) -> [(&'static str, String); 5] {
    let show = |value: &dyn Fn(&Retry) -> String| retry.map_or_else(|| "the function's".to_owned(), value);
    let none = || "none".to_owned();
    [
        ("task_retry_limit", show(&|retry| retry.limit.map_or_else(none, |limit| limit.to_string()))),
        (
            "task_age_limit",
            show(&|retry| {
                retry.age_limit.map_or_else(none, |limit| humantime::format_duration(limit).to_string())
            }),
        ),
        ("min_backoff_seconds", show(&|retry| retry.min_backoff.as_secs_f64().to_string())),
        ("max_backoff_seconds", show(&|retry| retry.max_backoff.as_secs_f64().to_string())),
        ("max_doublings", show(&|retry| retry.max_doublings.to_string())),
    ]
}

/// Its mode, and what is not as usual: `push, rate 20/s, bucket_size 40`.
impl fmt::Display for QueueConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.mode)?;
        let plain = settings(&QueueConfig { mode: self.mode, ..QueueConfig::default_queue() });
        let told = settings(self).into_iter().zip(plain).filter(|(value, plain)| value != plain);
        told.into_iter().try_for_each(|((word, value), _)| write!(f, ", {word} {value}"))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(queue) => write!(f, "+ {}: mode {queue}", queue.name),
            Self::Alter { to, differences } => {
                write!(f, "~ {}: ", to.name)?;
                for (n, Difference { word, from, to }) in differences.iter().enumerate() {
                    write!(f, "{}{word} {from} -> {to}", if n == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Stop { queue } => write!(f, "- {queue}: no longer named: it stops and keeps its tasks"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Mode;
    use super::*;

    fn queue(name: &str) -> QueueConfig {
        QueueConfig::new(name).unwrap()
    }

    fn lines(current: &[QueueConfig], wanted: &[QueueConfig]) -> Vec<String> {
        changes(current, wanted).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_same_again_changes_nothing() {
        let queues = [queue("default"), queue("mail")];
        assert!(changes(&queues, &queues).is_empty());
        assert!(changes(&[], &[]).is_empty());
        assert!(changes(&[], &[queue("default")]).is_empty(), "the default queue always exists");
    }

    #[test]
    fn every_setting_is_seen_when_it_changes() {
        let from = queue("mail");
        let to = QueueConfig {
            mode: Mode::Pull,
            rate: Some("0.5/s".parse().unwrap()),
            bucket_size: 6,
            max_concurrent_requests: 7,
            target: Some("https://example.com/".to_owned()),
            retry: Some(Retry { age_limit: Some(Duration::from_secs(172_800)), ..Retry::NEVER }),
            tombstone: Duration::from_secs(60),
            paused: true,
            ..from.clone()
        };
        assert_eq!(
            lines(&[from], &[to]),
            ["~ mail: mode push -> pull, rate no limit -> 0.5/s, bucket_size 5 -> 6, \
              max_concurrent_requests 1000 -> 7, target none -> https://example.com/, tombstone 1h -> 1m, \
              paused no -> yes, task_retry_limit the function's -> 0, task_age_limit the function's -> 2days, \
              min_backoff_seconds the function's -> 0.1, max_backoff_seconds the function's -> 3600, \
              max_doublings the function's -> 16"]
        );
    }

    #[test]
    fn a_new_queue_shows_what_is_not_as_usual_and_a_missing_one_stops() {
        let new = QueueConfig { bucket_size: 40, ..queue("new") };
        assert_eq!(
            lines(&[queue("old")], &[new, queue("plain")]),
            [
                "+ new: mode push, bucket_size 40",
                "+ plain: mode push",
                "- old: no longer named: it stops and keeps its tasks",
            ]
        );
    }

    #[test]
    fn a_queue_stops_once_and_goes_on_when_it_is_named_again() {
        let gone = changes(&[queue("old")], &[]);
        let stopped = gone[0].outcome(Some(&queue("old"))).unwrap();
        assert!(stopped.is_paused());
        assert!(changes(std::slice::from_ref(&stopped), &[]).is_empty());
        assert_eq!(lines(&[stopped], &[queue("old")]), ["~ old: stopped yes -> no"]);
    }

    #[test]
    fn what_an_operator_has_paused_a_file_resumes_only_if_it_says_so() {
        let paused = QueueConfig { paused: true, ..queue("mail") };
        assert!(plan(std::slice::from_ref(&paused), vec![queue("mail")], Resume::ByOperator).is_empty());
        let resumed = plan(&[paused], vec![queue("mail")], Resume::WithFile);
        assert_eq!(resumed[0].to_string(), "~ mail: paused yes -> no");
    }

    #[test]
    fn a_queue_without_a_configuration_can_be_paused_and_has_none_again_after() {
        let paused = pause(&[], "mail").unwrap();
        assert_eq!(paused.to_string(), "~ mail: paused no -> yes");
        let paused = paused.outcome(None).unwrap();
        assert_eq!(pause(std::slice::from_ref(&paused), "mail"), None);
        let resumed = resume(std::slice::from_ref(&paused), "mail").unwrap();
        assert_eq!(resumed.outcome(Some(&paused)), None);
        assert_eq!(resume(&[], "mail"), None);
    }

    #[test]
    fn a_default_queue_that_is_no_longer_named_gets_its_defaults_back() {
        let slow = QueueConfig { rate: Some("1/s".parse().unwrap()), ..queue("default") };
        assert_eq!(lines(&[slow], &[]), ["~ default: rate 1/s -> no limit"]);
    }
}
