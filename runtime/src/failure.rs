//! What a delayed function can say about its own failure, besides "it failed": the error classes.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// Any error that crosses threads: what delayed functions may return, directly or by conversion.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// An error that says what should become of the task.
///
/// A plain `Err` of any type is retried by policy. Wrapped in a `Failure`, it is treated as the class says, also when
/// `?` turns the failure into another error type, as long as it stays in the `source` chain.
///
/// ```
/// use delay::{BoxError, Failure, FailureExt as _};
///
/// fn charge(card: &str) -> Result<(), BoxError> {
///     let number: u64 = card.parse().permanent()?; // no retry will make it a number
///     if number == 0 {
///         return Err(Failure::cancel("nobody to charge").into());
///     }
///     Ok(())
/// }
/// # charge("42").unwrap();
/// ```
#[derive(Debug)]
pub struct Failure {
    class: Class,
    cause: Cause,
}

/// What should become of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Retry by policy: what every other error means.
    Retry,
    /// Retry after this time; counts as an attempt.
    RetryIn(Duration),
    /// Never try again: the task has failed.
    Permanent,
    /// Run it again after this time, as if this attempt had not been made.
    Snooze(Duration),
    /// The task is not wanted any more.
    Cancel,
}

#[derive(Debug)]
enum Cause {
    Text(String),
    Error(BoxError),
}

impl Failure {
    /// No retry will help.
    #[must_use]
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self { class: Class::Permanent, cause: Cause::Error(error.into()) }
    }

    /// Retry at a time of the function's choosing, within the policy's limits.
    #[must_use]
    pub fn retry_in(wait: Duration, error: impl Into<BoxError>) -> Self {
        Self { class: Class::RetryIn(wait), cause: Cause::Error(error.into()) }
    }

    /// Not now: run again after `wait` without spending an attempt.
    #[must_use]
    pub fn snooze(wait: Duration) -> Self {
        Self { class: Class::Snooze(wait), cause: Cause::Text(format!("snoozed for {wait:?}")) }
    }

    /// The task is not wanted any more.
    #[must_use]
    pub fn cancel(reason: impl Into<String>) -> Self {
        Self { class: Class::Cancel, cause: Cause::Text(reason.into()) }
    }

    /// What should become of the task.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// The class that `error`, or the first failure among its causes, asks for; [`Class::Retry`] if none does.
    #[must_use]
    pub fn class_of(error: &(dyn StdError + 'static)) -> Class {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(failure) = error.downcast_ref::<Self>() {
                return failure.class;
            }
            next = error.source();
        }
        Class::Retry
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Text(text) => f.write_str(text),
            // The failure stands in for its cause; it is not a link of the chain, so `source` goes on behind it.
            Cause::Error(error) => error.fmt(f),
        }
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.cause {
            Cause::Text(_) => None,
            Cause::Error(error) => error.source(),
        }
    }
}

/// Gives the errors of a [`Result`](std::result::Result) a class.
pub trait FailureExt<T> {
    /// An error is permanent: no retry will help.
    ///
    /// # Errors
    /// The failure.
    fn permanent(self) -> std::result::Result<T, Failure>;

    /// An error is retried after `wait`.
    ///
    /// # Errors
    /// The failure.
    fn retry_in(self, wait: Duration) -> std::result::Result<T, Failure>;
}

impl<T, E: Into<BoxError>> FailureExt<T> for std::result::Result<T, E> {
    fn permanent(self) -> std::result::Result<T, Failure> {
        self.map_err(Failure::permanent)
    }

    fn retry_in(self, wait: Duration) -> std::result::Result<T, Failure> {
        self.map_err(|error| Failure::retry_in(wait, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(Failure);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }
    impl StdError for Outer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_plain_error_is_retried() {
        assert_eq!(Failure::class_of(&fmt::Error), Class::Retry);
    }

    #[test]
    fn a_failure_is_found_under_other_errors() {
        let error = Outer(Failure::permanent("bad card"));
        assert_eq!(Failure::class_of(&error), Class::Permanent);
        assert_eq!(crate::error::chain(&error), "outer: bad card");
    }

    #[test]
    fn a_failure_shows_its_cause_once() {
        let error = Failure::retry_in(Duration::from_secs(1), Outer(Failure::cancel("gone")));
        assert_eq!(crate::error::chain(&error), "outer: gone");
        assert_eq!(error.class(), Class::RetryIn(Duration::from_secs(1)));
    }

    #[test]
    fn a_boxed_failure_keeps_its_class() {
        let boxed: BoxError = Failure::snooze(Duration::from_secs(60)).into();
        assert_eq!(Failure::class_of(&*boxed), Class::Snooze(Duration::from_secs(60)));
    }
}
