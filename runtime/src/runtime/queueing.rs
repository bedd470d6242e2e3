//! Queues that a program brings with it.

use std::path::{Path, PathBuf};

use super::Builder;
use crate::error::{Error, Kind, Result};
use crate::queues::file::{QueueFile, Remark};
use crate::store::{QueueEdit, Store};

impl Builder {
    /// Applies a file of queues, `delay.toml` or App Engine's `queue.yaml`, to the store when the runtime is built, as
    /// `delay queues apply` does. Many machines may bring the same file: what is so already is not changed. What an
    /// operator has paused stays so, unless the file says `resume_paused_queues`.
    ///
    /// The file is looked for when it is built, relative to the working folder.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> delay::Result<()> {
    /// let rt = delay::Runtime::builder("sqlite:jobs.db").queue_file("delay.toml").build().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails with [`Error::is_invalid_config`] if the file has mistakes, all of which are told,
    /// and with [`Error::is_unreadable`] if it cannot be read.
    pub fn queue_file(mut self, path: impl Into<PathBuf>) -> Self {
        if self.queue_file.replace(path.into()).is_some() {
            self.mistake(Kind::InvalidOption, "a runtime has one file of queues: put all queues into it");
        }
        self
    }
}

pub(super) async fn apply(path: &Path, store: &dyn Store) -> Result<()> {
    let (owned, file) = (path.to_owned(), path.display());
    let read = tokio::task::spawn_blocking(move || QueueFile::read(owned)).await;
    let read =
        read.map_err(|error| Error::with_source(Kind::Other, "cannot read the file of queues", error))??;
    for Remark { line, column, text } in &read.remarks {
        tracing::warn!("{file}:{line}:{column}: {text}");
    }
    let resume = read.resume();
    for change in store.configure(QueueEdit::Apply { queues: read.queues, resume }).await? {
        tracing::info!(%file, "queue {change}");
    }
    Ok(())
}
