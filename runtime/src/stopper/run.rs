//! Running work under a stopper: in place, on its own, limited, for long, or somewhere else.
//!
//! Each of these admits first and runs after; this file never counts and never closes anything.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::Stopper;
use super::crew::Admission;
use super::error::{RunError, TaskPanic, Unavailable};
use super::names::Label;
use super::options::{TaskOptions, TaskSpan, Wait};

impl Stopper {
    /// Runs `future` here, as a task: a stop waits for it.
    ///
    /// The future's own `Result`, if it has one, comes back inside this one, so that a refusal and a failure cannot be
    /// mixed up:
    ///
    /// ```
    /// # use delay::stopper::Stopper;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let stopper = Stopper::new();
    /// let parsed = stopper.run_task("parse", async { "42".parse::<u32>() }).await;
    /// let number = parsed??; // the first is the stopper's, the second the task's
    /// # assert_eq!(number, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable`] once the stopper quiesces; `future` is then dropped and nothing of it has run.
    ///
    /// # Panics
    ///
    /// If `future` does: the panic handler is told, and the panic goes on to the caller as that of a plain call.
    ///
    /// # Cancel safety
    ///
    /// The task is admitted when this is first polled. Dropping this drops `future` and then counts the task out.
    #[track_caller]
    pub fn run_task<F: Future>(
        &self,
        name: &'static str,
        future: F,
    ) -> impl Future<Output = Result<F::Output, Unavailable>> + use<'_, F> {
        let label = Label::here(name);
        async move {
            let admission = self.shared.admit_task(label)?;
            Ok(admission.run(future).await)
        }
    }

    /// Runs `future` as a Tokio task of its own and does not wait for it; a stop does.
    ///
    /// The task gets a span that follows from the caller's; for another, see [`TaskOptions`]. A panic is told to the
    /// panic handler and then ends in the handle, as does being cancelled by [`stop_within`](Self::stop_within).
    ///
    /// # Errors
    ///
    /// [`Unavailable`] once the stopper quiesces; `future` is then dropped and nothing of it has run.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    #[track_caller]
    pub fn run_async_task<F>(
        &self,
        name: &'static str,
        future: F,
    ) -> Result<JoinHandle<F::Output>, Unavailable>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let admission = self.shared.admit_task(Label::here(name))?;
        Ok(self.spawn(admission, None, TaskSpan::default(), future))
    }

    /// Runs `future` as a Tokio task of its own, but at most as many at a time as `semaphore` has permits.
    ///
    /// While it waits for a permit the task does not count, and a stop does not wait for it.
    ///
    /// # Errors
    ///
    /// - [`RunError::Throttled`] with [`Wait::No`] if no permit is free.
    /// - [`RunError::Cancelled`] if `cancel` is cancelled before the task starts, even if a permit was free.
    /// - [`RunError::Unavailable`] once the stopper quiesces, while waiting, too, and if `semaphore` is closed.
    ///
    /// In each case nothing of `future` has run.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, nothing of `future` has run; after, the task runs on.
    #[track_caller]
    pub fn run_limited_async_task<F>(
        &self,
        semaphore: &Arc<Semaphore>,
        wait: Wait,
        cancel: &CancellationToken,
        name: &'static str,
        future: F,
    ) -> impl Future<Output = Result<JoinHandle<F::Output>, RunError>> + Send + use<'_, F>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.run_async_task_with(TaskOptions::new(name).limit(semaphore, wait).cancelled_by(cancel), future)
    }

    /// Runs `future` as a Tokio task of its own, as `options` say.
    ///
    /// # Errors
    ///
    /// # Panics
    ///
    /// # Cancel safety
    ///
    /// As [`run_limited_async_task`](Self::run_limited_async_task).
    #[track_caller]
    pub fn run_async_task_with<F>(
        &self,
        options: TaskOptions,
        future: F,
    ) -> impl Future<Output = Result<JoinHandle<F::Output>, RunError>> + Send + use<'_, F>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let label = Label::here(options.name);
        async move {
            let permit = self.permit(&options).await?;
            let admission = self.shared.admit_task(label)?;
            Ok(self.spawn(admission, permit, options.span, future))
        }
    }

    /// Runs `future` as a worker: long-lived, not a task, not waited for while quiescing.
    ///
    /// A worker serves the tasks until the last has ended. Then [`stopping`](Self::stopping) fires, at which it has to
    /// return; the stop waits for that before it runs the closers.
    ///
    /// ```
    /// # use delay::stopper::Stopper;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stopper = Stopper::new();
    /// let stopping = stopper.stopping();
    /// stopper.run_worker("flush", async move {
    ///     // … serve …
    ///     stopping.await;
    /// })?;
    /// stopper.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable`] once the stopper quiesces; `future` is then dropped and nothing of it has run.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    #[track_caller]
    pub fn run_worker<F>(&self, name: &'static str, future: F) -> Result<JoinHandle<F::Output>, Unavailable>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let admission = self.shared.admit_worker(Label::here(name))?;
        Ok(self.shared.workers.spawn(admission, None, future))
    }

    /// Counts a task in that you run yourself; see [`Admission`].
    ///
    /// # Errors
    ///
    /// [`Unavailable`] once the stopper quiesces.
    #[inline]
    #[track_caller]
    pub fn admit(&self, name: &'static str) -> Result<Admission, Unavailable> {
        self.shared.admit_task(Label::here(name))
    }

    /// Runs `future` here and turns a panic into an error, after the panic handler was told.
    ///
    /// It counts nothing: it is for futures that are counted elsewhere, by an [`Admission`], or not at all.
    ///
    /// ```
    /// # use delay::stopper::Stopper;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let stopper = Stopper::new();
    /// let admission = stopper.admit("connection")?;
    /// if let Err(panic) = stopper.recover(admission.name(), async { panic!("bad frame") }).await {
    ///     assert_eq!(panic.to_string(), "`connection` panicked: bad frame");
    /// }
    /// drop(admission);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TaskPanic`] with the panic's payload.
    pub async fn recover<F: Future>(&self, name: &'static str, future: F) -> Result<F::Output, TaskPanic> {
        let watched = self.shared.on_panic.watch(name, future).await;
        watched.map_err(|payload| TaskPanic::new(name, payload))
    }

    fn spawn<F>(
        &self,
        admission: Admission,
        permit: Option<OwnedSemaphorePermit>,
        span: TaskSpan,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let opened = span.open(admission.name());
        match span {
            // It has to be open while the task runs, but nobody may find it as the current one.
            TaskSpan::SterileRoot => self.shared.tasks.spawn(admission, permit, async move {
                let _open = opened;
                future.await
            }),
            TaskSpan::FollowsFrom | TaskSpan::Child => {
                self.shared.tasks.spawn(admission, permit, future.instrument(opened))
            }
        }
    }

    /// Waits for what has to be had before a task can start.
    async fn permit(&self, options: &TaskOptions) -> Result<Option<OwnedSemaphorePermit>, RunError> {
        let name = options.name;
        let cancelled = async {
            match &options.cancel {
                Some(cancel) => cancel.cancelled().await,
                None => pending().await,
            }
        };
        let permit = match &options.limit {
            None => None,
            Some(_) if self.is_quiescing() => return Err(Unavailable::quiescing(name).into()),
            Some((semaphore, wait)) => match (Arc::clone(semaphore).try_acquire_owned(), wait) {
                (Ok(permit), _) => Some(permit),
                (Err(TryAcquireError::Closed), _) => return Err(Unavailable::semaphore_closed(name).into()),
                (Err(TryAcquireError::NoPermits), Wait::No) => return Err(RunError::Throttled { name }),
                (Err(TryAcquireError::NoPermits), Wait::Yes) => tokio::select! {
                    () = cancelled => return Err(RunError::Cancelled { name }),
                    () = self.quiescing() => return Err(Unavailable::quiescing(name).into()),
                    permit = Arc::clone(semaphore).acquire_owned() => {
                        Some(permit.map_err(|_: AcquireError| Unavailable::semaphore_closed(name))?)
                    }
                },
            },
        };
        // The permit may have been there although the token is cancelled.
        if options.cancel.as_ref().is_some_and(CancellationToken::is_cancelled) {
            return Err(RunError::Cancelled { name });
        }
        Ok(permit)
    }
}
