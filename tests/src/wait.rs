//! Waiting in tests: always for a condition, never for a length of time. The bound only turns a hang into a failure.

use std::future::Future;
use std::time::Duration;

/// Far more than any machine needs; a test that waits so long has failed.
pub const BOUND: Duration = Duration::from_secs(60);

/// What `future` gives.
///
/// # Panics
/// If it takes longer than [`BOUND`].
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {BOUND:?} in vain for: {what}"),
    }
}
