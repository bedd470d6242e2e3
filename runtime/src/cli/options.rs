//! Retry policies and time limits, as text and as JSON.

use std::time::Duration;

use serde::Serialize;

use super::text::span;
use crate::retry::Retry;

/// A retry policy for programs; lengths of time are seconds.
#[derive(Debug, Serialize)]
pub(super) struct RetryDocument {
    limit: Option<u32>,
    age_limit: Option<f64>,
    min_backoff: f64,
    max_backoff: f64,
    max_doublings: u32,
}

impl From<&Retry> for RetryDocument {
    fn from(retry: &Retry) -> Self {
        Self {
            limit: retry.limit,
            age_limit: retry.age_limit.map(|age| age.as_secs_f64()),
            min_backoff: retry.min_backoff.as_secs_f64(),
            max_backoff: retry.max_backoff.as_secs_f64(),
            max_doublings: retry.max_doublings,
        }
    }
}

/// A retry policy for people: `5 times, 1s to 1h apart`.
pub(super) fn retry_text(retry: &Retry) -> String {
    let waits = format!("{} to {} apart", span(retry.min_backoff), span(retry.max_backoff));
    match (retry.limit, retry.age_limit) {
        (Some(0), None) => "never".to_owned(),
        (Some(limit), None) => format!("{limit} times, {waits}"),
        (None, Some(age)) => format!("for {}, {waits}", span(age)),
        (Some(limit), Some(age)) => format!("{limit} times or for {}, {waits}", span(age)),
        (None, None) => format!("without end, {waits}"),
    }
}

/// A time limit in seconds.
pub(super) fn seconds(length: Option<Duration>) -> Option<f64> {
    length.map(|length| length.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_reads_as_a_sentence() {
        assert_eq!(retry_text(&Retry::DEFAULT), "25 times, 100ms to 1h apart");
        assert_eq!(retry_text(&Retry::NEVER), "never");
        let age_limit = Some(Duration::from_secs(86_400 * 3));
        assert_eq!(
            retry_text(&Retry { limit: None, age_limit, ..Retry::DEFAULT }),
            "for 3d, 100ms to 1h apart"
        );
    }
}
