//! What the stopper promises, one fact to a test.
//!
//! The races have models of their own, in `models`. Here time is virtual wherever it matters: with the clock paused an
//! hour passes only when nothing else can happen any more, which is what "blocks" means.

mod admission;
mod closers;
mod deadline;
mod drive;
mod life;
mod limited;
mod links;
mod panics;
mod recorder;
mod reports;
mod roll;
mod spans;

use std::time::Duration;

use tokio::time::timeout;

const HOUR: Duration = Duration::from_secs(3600);

/// Whether `future` is not ready although everything else has come to rest. Needs a paused clock.
async fn blocks<F: Future + Unpin>(future: &mut F) -> bool {
    timeout(HOUR, future).await.is_err()
}
