//! The headers of App Engine's and Cloud Tasks' requests: what a request says about its task.
//!
//! Owns their names and forms, in both directions. It believes nothing: who may send them is decided elsewhere.

use std::fmt;
use std::str;

use crate::limits;
use crate::time::Timestamp;

/// What App Engine writes; we do, too.
const APP_ENGINE: &str = "X-AppEngine-";
/// What Cloud Tasks writes to other targets than App Engine.
const CLOUD_TASKS: &str = "X-CloudTasks-";

/// A reason is a word or two; nobody sends a letter.
const LONGEST_REASON: usize = 1024;

/// What a request says about its task. What it does not say is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskHeaders {
    /// `QueueName`.
    pub queue_name: Option<String>,
    /// `TaskName`.
    pub task_name: Option<String>,
    /// `TaskRetryCount`: how often it was tried before, with the attempts that found no worker.
    pub task_retry_count: Option<u64>,
    /// `TaskExecutionCount`: how often it was tried before, without these.
    pub task_execution_count: Option<u64>,
    /// `TaskETA`, in seconds since 1970 with an optional fraction; kept to the microsecond.
    pub task_eta: Option<Timestamp>,
    /// `TaskPreviousResponse`: the HTTP status of the attempt before.
    pub task_previous_response: Option<u16>,
    /// `TaskRetryReason`: why it is tried again.
    pub task_retry_reason: Option<String>,
    /// `FailFast`: do not wait for a new instance. Any value says so, as in the original.
    pub fail_fast: bool,
}

impl TaskHeaders {
    /// Picks the task's headers out of all of a request's, names in any case, with App Engine's prefix or with that of
    /// Cloud Tasks. An empty value is as good as none.
    ///
    /// ```
    /// use delay::http::TaskHeaders;
    ///
    /// let headers = TaskHeaders::read([
    ///     ("x-appengine-queuename", &b"mail"[..]),
    ///     ("X-AppEngine-TaskETA", b"1500000000.25"),
    ///     ("Content-Type", b"application/msgpack"),
    /// ])?;
    /// assert_eq!(headers.queue_name.as_deref(), Some("mail"));
    /// assert_eq!(headers.task_eta.unwrap().to_string(), "2017-07-14T02:40:00.250000Z");
    /// assert_eq!(headers.task_retry_count, None);
    /// # Ok::<(), delay::http::HeaderError>(())
    /// ```
    ///
    /// # Errors
    /// A header is there twice, or is not what it should be: such a request gets a 400.
    pub fn read<'a, N: AsRef<str>>(
        headers: impl IntoIterator<Item = (N, &'a [u8])>,
    ) -> Result<Self, HeaderError> {
        let mut read = Self::default();
        let mut seen = Vec::new();
        for (name, value) in headers {
            let Some(word) = Word::of(name.as_ref()) else { continue };
            if value.is_empty() {
                continue;
            }
            if seen.contains(&word) {
                return Err(HeaderError { word, expected: "one such header" });
            }
            seen.push(word);
            let value = str::from_utf8(value).unwrap_or("\u{fffd}");
            read.set(word, value).map_err(|expected| HeaderError { word, expected })?;
        }
        Ok(read)
    }

    fn set(&mut self, word: Word, value: &str) -> Result<(), &'static str> {
        match word {
            Word::QueueName => {
                limits::check_queue(value).map_err(|_| "1 to 100 of A-Z a-z 0-9 -")?;
                self.queue_name = Some(value.to_owned());
            }
            Word::TaskName => {
                limits::check_name(value).map_err(|_| "1 to 500 of A-Z a-z 0-9 _ -")?;
                self.task_name = Some(value.to_owned());
            }
            Word::TaskRetryCount => self.task_retry_count = Some(count(value)?),
            Word::TaskExecutionCount => self.task_execution_count = Some(count(value)?),
            Word::TaskEta => {
                self.task_eta = Some(eta(value).ok_or("seconds since 1970 such as 1500000000.25")?)
            }
            Word::TaskPreviousResponse => {
                let status =
                    value.parse().ok().filter(|status| (100..=999).contains(status) && value.len() == 3);
                self.task_previous_response = Some(status.ok_or("an HTTP status such as 503")?);
            }
            Word::TaskRetryReason => {
                let plain = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
                if !plain || value.len() > LONGEST_REASON {
                    return Err("at most 1024 of visible ASCII");
                }
                self.task_retry_reason = Some(value.to_owned());
            }
            Word::FailFast => self.fail_fast = true,
        }
        Ok(())
    }

    /// Names and values of what is known, as App Engine writes them.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let Self {
            queue_name,
            task_name,
            task_retry_count,
            task_execution_count,
            task_eta,
            task_previous_response,
            task_retry_reason,
            fail_fast,
        } = self;
        // A reason may come from anywhere; a line break in it would begin another header.
        let reason = |text: &String| {
            let chars = text.chars().take(LONGEST_REASON);
            chars.map(|char| if char == ' ' || char.is_ascii_graphic() { char } else { '?' }).collect()
        };
        let pairs = [
            (Word::QueueName, queue_name.clone()),
            (Word::TaskName, task_name.clone()),
            (Word::TaskRetryCount, task_retry_count.map(|count| count.to_string())),
            (Word::TaskExecutionCount, task_execution_count.map(|count| count.to_string())),
            (Word::TaskEta, task_eta.map(seconds)),
            (Word::TaskPreviousResponse, task_previous_response.map(|status| status.to_string())),
            (Word::TaskRetryReason, task_retry_reason.as_ref().map(reason)),
            (Word::FailFast, fail_fast.then(|| "true".to_owned())),
        ];
        let known = pairs.into_iter().filter_map(|(word, value)| Some((word, value?)));
        known.map(|(word, value)| (format!("{APP_ENGINE}{}", word.name()), value)).collect()
    }
}

/// What a header is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    QueueName,
    TaskName,
    TaskRetryCount,
    TaskExecutionCount,
    TaskEta,
    TaskPreviousResponse,
    TaskRetryReason,
    FailFast,
}

impl Word {
    const ALL: [Self; 8] = [
        Self::QueueName,
        Self::TaskName,
        Self::TaskRetryCount,
        Self::TaskExecutionCount,
        Self::TaskEta,
        Self::TaskPreviousResponse,
        Self::TaskRetryReason,
        Self::FailFast,
    ];

    /// The header's name after the prefix.
    fn name(self) -> &'static str {
        match self {
            Self::QueueName => "QueueName",
            Self::TaskName => "TaskName",
            Self::TaskRetryCount => "TaskRetryCount",
            Self::TaskExecutionCount => "TaskExecutionCount",
            Self::TaskEta => "TaskETA",
            Self::TaskPreviousResponse => "TaskPreviousResponse",
            Self::TaskRetryReason => "TaskRetryReason",
            Self::FailFast => "FailFast",
        }
    }

    /// Which word the name of a header is.
    fn of(name: &str) -> Option<Self> {
        let rest = [APP_ENGINE, CLOUD_TASKS].into_iter().find_map(|prefix| {
            let (head, rest) = name.split_at_checked(prefix.len())?;
            head.eq_ignore_ascii_case(prefix).then_some(rest)
        })?;
        Self::ALL.into_iter().find(|word| rest.eq_ignore_ascii_case(word.name()))
    }
}

fn count(value: &str) -> Result<u64, &'static str> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| digits).ok_or("a whole number")
}

/// Reads seconds with an optional fraction exactly; what is finer than a microsecond is cut off.
fn eta(value: &str) -> Option<Timestamp> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let micros = format!("{fraction:0<6}").get(..6)?.parse::<i64>().ok()?;
    let whole: i64 = whole.parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(micros).map(Timestamp::from_micros)
}

/// Seconds since 1970, with a fraction only where there is one: readers of the original took whole numbers.
fn seconds(time: Timestamp) -> String {
    let micros = time.as_micros().max(0);
    let (whole, fraction) = (micros / 1_000_000, micros % 1_000_000);
    if fraction == 0 {
        whole.to_string()
    } else {
        format!("{whole}.{fraction:06}").trim_end_matches('0').to_owned()
    }
}

/// A task's header that cannot be read. It names the header and what was expected, never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderError {
    word: Word,
    expected: &'static str,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the header `{APP_ENGINE}{}` cannot be read: expected {}", self.word.name(), self.expected)
    }
}

impl std::error::Error for HeaderError {}

#[cfg(test)]
mod tests;
