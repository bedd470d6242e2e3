//! App Engine's `taskqueue`: queues by name, generic HTTP tasks beside calls of functions, and queues that are pulled
//! from.
//!
//! ```
//! use delay::taskqueue::{self, Method};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> delay::Result<()> {
//! let client = delay::Client::open("memory:").await?;
//! let queue = client.taskqueue("default")?;
//! queue.add(taskqueue::post("/mail", "Dear Ada").header("Content-Type", "text/plain").name("ada")).await?;
//! assert!(queue.add(taskqueue::post("/mail", "").name("ada")).await.unwrap_err().is_already_added());
//! assert_eq!(queue.stats().await?.tasks, 1);
//! queue.delete("ada").await?;
//! # Ok(()) }
//! ```
//!
//! A queue has to be configured, by a file (see [`queues::file`](crate::queues)) or by `delay queues`; only `default`
//! always exists. (Calls of functions go into any queue.) What a queue may do is in [`queues`](crate::queues).
//!
//! This file owns the verbs of that interface. They go to the store as they are; nothing here remembers anything.

use std::time::Duration;

use crate::client::Client;
use crate::draft::Draft;
use crate::enqueue::{Drafted, check_names};
use crate::error::{Error, Kind, Result};
use crate::handle::Handle;
use crate::limits::{check_queue, quoted};
use crate::queues::{DEFAULT_QUEUE, QueueConfig};
use crate::store::{Forgotten, LeaseEnd, LeaseEnded, LeaseOrder, LeaseTo, Tagged};
use crate::time::IntoDuration;

mod leased;
mod new;

pub use crate::request::{Method, Request};
pub use crate::store::QueueStats;
pub use leased::Leased;
pub use new::{post, pull, request};

/// The most tasks of one lease.
const MOST: usize = 1000;

/// The longest lease.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// How many tasks are removed at a time.
const BATCH: usize = 1000;

/// A queue by its name. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    name: String,
}

impl Client {
    /// A queue, for App Engine's `taskqueue` verbs.
    ///
    /// # Errors
    /// [`Error::is_invalid_queue`] if that is not a queue's name. Whether there is such a queue is told by the verbs.
    pub fn taskqueue(&self, name: impl Into<String>) -> Result<Queue> {
        let name = name.into();
        check_queue(&name)?;
        Ok(Queue { client: self.clone(), name })
    }
}

impl Queue {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a task, whatever queue it was made for: one of this module, or a call.
    ///
    /// # Errors
    /// A mistake in the task ([`is_invalid_name`](Error::is_invalid_name), [`is_invalid_eta`](Error::is_invalid_eta),
    /// [`is_payload_too_large`](Error::is_payload_too_large), …), [`Error::is_already_added`] for a name that is taken,
    /// [`Error::is_unknown_queue`], [`Error::is_invalid_queue_mode`].
    ///
    /// # Cancel safety
    /// Dropping the future may leave the task added or not.
    pub async fn add<D: Drafted>(&self, task: D) -> Result<Handle<D::Value>> {
        let mut added = self.add_multi([task]).await?;
        added.pop().unwrap_or_else(|| Err(Error::new(Kind::Other, "the store did not answer for the task")))
    }

    /// Adds many tasks in one round trip. The results are aligned with `tasks`: a task that the store or the queue does
    /// not take has its own error, and the others are added.
    ///
    /// # Errors
    /// A mistake in any task, and [`Error::is_duplicate_name`] if two tasks of the batch have one name: then none is
    /// added. [`Error::is_unknown_queue`].
    ///
    /// # Cancel safety
    /// Dropping the future may leave the tasks added or not; all or none of them are.
    pub async fn add_multi<D: Drafted>(
        &self,
        tasks: impl IntoIterator<Item = D>,
    ) -> Result<Vec<Result<Handle<D::Value>>>> {
        let into_here = |task: D| {
            let mut draft = task.into_draft();
            draft.task.queue = self.name.clone().into();
            draft
        };
        let drafts: Vec<Draft> = tasks.into_iter().map(into_here).collect();
        check_names(&drafts)?;
        // A mistake in any task is told before the queue is looked at: it is the caller's own.
        drafts.iter().try_for_each(|draft| draft.clone().check(self.client.limits()).map(drop))?;
        let configs = self.client.store().queue_configs().await?;
        let mut results = Vec::with_capacity(drafts.len());
        let mut fitting = Vec::new();
        for draft in drafts {
            match draft.fits(&configs) {
                Ok(()) => {
                    results.push(Ok((draft.id(), draft.name().map(str::to_owned))));
                    fitting.push(draft);
                }
                Err(error) if error.is_unknown_queue() => return Err(error),
                Err(error) => results.push(Err(error)),
            }
        }
        if fitting.is_empty() {
            return Ok(results.into_iter().filter_map(Result::err).map(Err).collect());
        }
        let added = self.client.push_fitting(fitting).await?;
        let mut pushed = added.pushed.iter();
        let aligned = results.into_iter().map(|result| {
            let (id, name) = result?;
            let pushed = pushed.next().copied();
            let pushed =
                pushed.ok_or_else(|| Error::new(Kind::Other, "the store did not answer for a task"))?;
            added.handle(id, name.as_deref(), pushed)
        });
        Ok(aligned.collect())
    }

    /// Removes a task, by its name or, one without a name, by its id. The name stays taken for the queue's tombstone
    /// time. A running task is taken back from its worker instead, and ends cancelled.
    ///
    /// # Errors
    /// [`Error::is_unknown_task`], [`Error::is_tombstoned`] if it is done or deleted already,
    /// [`Error::is_unknown_queue`].
    ///
    /// # Cancel safety
    /// Dropping the future may leave the task removed or not.
    pub async fn delete(&self, name: impl Into<String>) -> Result<()> {
        let mut deleted = self.delete_multi([name]).await?;
        deleted.pop().unwrap_or_else(|| Err(Error::new(Kind::Other, "the store did not answer for the task")))
    }

    /// Removes tasks as [`delete`](Self::delete) does, each by itself: the results are aligned with `names`.
    ///
    /// # Errors
    /// [`Error::is_unknown_queue`].
    ///
    /// # Cancel safety
    /// Dropping the future may leave the tasks removed or not.
    pub async fn delete_multi<N: Into<String>>(
        &self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Vec<Result<()>>> {
        self.check_known().await?;
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let forgotten = self.client.store().forget(self.name.clone(), names.clone()).await?;
        let answer = |(name, forgotten): (String, Forgotten)| {
            let (kind, what) = match forgotten {
                Forgotten::Done | Forgotten::Asked => return Ok(()),
                Forgotten::Unknown => (Kind::UnknownTask, "is not there"),
                Forgotten::Tombstoned => (Kind::Tombstoned, "is done or was deleted before"),
            };
            Err(Error::new(kind, format!("the task {} of the queue `{}` {what}", quoted(&name), self.name)))
        };
        Ok(names.into_iter().zip(forgotten).map(answer).collect())
    }

    /// Removes every task that has not come to its end, as [`delete`](Self::delete) does, and says how many; running
    /// ones are taken back and not counted.
    ///
    /// # Errors
    /// [`Error::is_unknown_queue`].
    ///
    /// # Cancel safety
    /// Dropping the future may leave all, some, or none of the tasks removed.
    pub async fn purge(&self) -> Result<u64> {
        self.check_known().await?;
        let mut purged = 0;
        loop {
            let batch = self.client.store().purge(self.name.clone(), BATCH).await?;
            purged += batch;
            if batch < BATCH as u64 {
                return Ok(purged);
            }
        }
    }

    /// What goes on in the queue.
    ///
    /// # Errors
    /// [`Error::is_unknown_queue`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn stats(&self) -> Result<QueueStats> {
        self.check_known().await?;
        let mut stats = self.client.store().queue_stats(vec![self.name.clone()]).await?;
        Ok(stats.pop().unwrap_or_default())
    }

    /// Leases up to `most` tasks (1 to 1,000) that are due, the earliest first, for so long (up to 7 days): nobody else
    /// gets them until then. Each lease counts as a retry; a task whose retries are used up is not handed out, and
    /// fails.
    ///
    /// # Errors
    /// [`Error::is_invalid_option`] for another number or length, [`Error::is_unknown_queue`],
    /// [`Error::is_invalid_queue_mode`], [`Error::is_queue_paused`].
    ///
    /// # Cancel safety
    /// Dropping the future may leave tasks leased that nobody has; they are due again when the leases run out.
    pub async fn lease(&self, most: usize, length: impl IntoDuration) -> Result<Vec<Leased>> {
        self.lease_of(Tagged::Any, most, length.into_duration()?).await
    }

    /// Leases as [`lease`](Self::lease) does, only tasks with this tag. An empty one stands for the tag of the earliest
    /// task that is due: tasks that belong together are handed out together.
    ///
    /// # Errors
    /// As [`lease`](Self::lease).
    ///
    /// # Cancel safety
    /// As [`lease`](Self::lease).
    pub async fn lease_by_tag(
        &self,
        most: usize,
        length: impl IntoDuration,
        tag: &str,
    ) -> Result<Vec<Leased>> {
        let tag = if tag.is_empty() { Tagged::LikeTheEarliest } else { Tagged::With(tag.to_owned()) };
        self.lease_of(tag, most, length.into_duration()?).await
    }

    async fn lease_of(&self, tag: Tagged, most: usize, length: Duration) -> Result<Vec<Leased>> {
        if !(1..=MOST).contains(&most) {
            let text = format!("{most} tasks cannot be leased at once: ask for 1 to {MOST}");
            return Err(Error::new(Kind::InvalidOption, text));
        }
        if length.is_zero() {
            let text = "a lease of no time would be lost at once: give the time that the work takes";
            return Err(Error::new(Kind::InvalidOption, text));
        }
        check_length(length)?;
        let order = LeaseOrder { queue: self.name.clone(), most, length, tag };
        let leased = self.client.store().lease(order).await?;
        Ok(leased.into_iter().map(Leased).collect())
    }

    /// Lets a lease last for so long from now (up to 7 days); for no time: the task is given back.
    ///
    /// # Errors
    /// [`Error::is_lease_expired`] if the lease has run out: somebody else may have it. [`Error::is_queue_paused`], and
    /// as [`lease`](Self::lease).
    ///
    /// # Cancel safety
    /// Dropping the future may leave the lease changed or not.
    pub async fn modify_lease(&self, leased: &mut Leased, length: impl IntoDuration) -> Result<()> {
        let length = length.into_duration()?;
        check_length(length)?;
        if let LeaseEnded::Until(eta) = self.settle(leased, LeaseTo::Last(length)).await? {
            leased.0.eta = eta;
        }
        Ok(())
    }

    /// Ends a leased task: it is done. Unlike [`delete`](Self::delete), it does so only while the lease holds, and the
    /// task is kept as one that succeeded.
    ///
    /// # Errors
    /// As [`modify_lease`](Self::modify_lease).
    ///
    /// # Cancel safety
    /// Dropping the future may leave the task ended or not.
    pub async fn finish(&self, leased: &Leased) -> Result<()> {
        self.settle(leased, LeaseTo::Done).await.map(drop)
    }

    async fn settle(&self, leased: &Leased, to: LeaseTo) -> Result<LeaseEnded> {
        let end = LeaseEnd { id: leased.0.id, epoch: leased.0.epoch, to };
        let ended = self.client.store().settle_leases(self.name.clone(), vec![end]).await?;
        match ended.first() {
            Some(LeaseEnded::Lost) | None => {
                let text =
                    format!("the lease on task {} has run out: somebody else may have it", leased.0.id);
                Err(Error::about(Kind::LeaseExpired, leased.0.id, text))
            }
            Some(ended) => Ok(*ended),
        }
    }

    /// Whether the queue is configured, or at least has tasks.
    async fn check_known(&self) -> Result<()> {
        if self.name == DEFAULT_QUEUE || self.config().await?.is_some() {
            return Ok(());
        }
        let stats = self.client.store().queue_stats(vec![self.name.clone()]).await?;
        let has_tasks = stats.iter().any(|stats| stats.tasks > 0);
        if has_tasks { Ok(()) } else { Err(crate::store::unknown_queue(&self.name)) }
    }

    /// Its configuration, if it has one.
    ///
    /// # Errors
    /// If the store cannot be asked.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn config(&self) -> Result<Option<QueueConfig>> {
        let configs = self.client.store().queue_configs().await?;
        Ok(configs.into_iter().find(|config| config.name == self.name))
    }
}

fn check_length(length: Duration) -> Result<()> {
    if length <= LONGEST {
        return Ok(());
    }
    let text = format!("a lease of {} is too long: 7 days at most", humantime::format_duration(length));
    Err(Error::new(Kind::InvalidOption, text))
}
