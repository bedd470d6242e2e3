//! Background calls: work that outlives the request or the task that began it, in this process, under the stopper.
//!
//! As in App Engine a call is two halves: the caller asks a [`Host`] for a background request, the host sends one, and the
//! call runs inside that request, with a context of its own. This file owns the caller's half and what runs; pairing the
//! halves is `background/matchmaker`'s, the hosts are [`InProcess`](Background::in_process) and, over HTTP,
//! [`http::BackgroundHost`](crate::http::BackgroundHost). What is begun here is not stored: it dies with the process. Work
//! that must not be lost is a delayed function.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::client::{Added, Client};
use crate::context::Headers;
use crate::draft::Draft;
use crate::enqueue::Enqueue;
use crate::error::{Error, Kind, Result};
use crate::panics;
use crate::stopper::Stopper;
use crate::store::Pending;

mod in_process;
mod matchmaker;

pub(crate) use matchmaker::{Job, Matchmaker, NoCall};

/// Where hosts send background requests, as in App Engine.
pub const PATH: &str = "/_ah/background";

/// The header with the id of a background request.
pub const ID_HEADER: &str = "X-AppEngine-BackgroundRequest";

/// How long each half waits for the other, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// Begins background requests: the half of the pair that is not ours.
pub trait Host: fmt::Debug + Send + Sync + 'static {
    /// Asks for a background request, and gives the id that it will have. The request may arrive before this returns.
    fn start(&self) -> Pending<'_, String>;
}

/// Runs calls in the background. Clones are the same.
///
/// ```
/// use delay::background::Background;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> delay::Result<()> {
/// # let rt = delay::Runtime::open("memory:").await?;
/// let background = Background::in_process(&rt);
/// let sum = background.run_in_background(|_ctx| async { 1 + 1 }).await?; // returns when it has begun
/// assert_eq!(sum.finished().await?, 2);
/// # rt.stop().await
/// # }
/// ```
#[derive(Clone)]
pub struct Background(Arc<Inner>);

struct Inner {
    host: Arc<dyn Host>,
    matchmaker: Arc<Matchmaker>,
    client: Client,
    stopper: Stopper,
    patience: Duration,
}

impl Background {
    pub(crate) fn of(
        host: impl FnOnce(&Arc<Matchmaker>) -> Arc<dyn Host>,
        client: Client,
        stopper: Stopper,
    ) -> Self {
        let matchmaker = Arc::new(Matchmaker::default());
        let host = host(&matchmaker);
        Self(Arc::new(Inner { host, matchmaker, client, stopper, patience: PATIENCE }))
    }

    pub(crate) fn within(client: Client, stopper: Stopper) -> Self {
        let own = stopper.clone();
        Self::of(|matchmaker| in_process::host(Arc::clone(matchmaker), own), client, stopper)
    }

    /// How long each half of a call waits for the other before it gives up; 30 s. The call that gives up never runs.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        let Inner { host, matchmaker, client, stopper, .. } = &*self.0;
        let (host, matchmaker) = (Arc::clone(host), Arc::clone(matchmaker));
        Self(Arc::new(Inner { host, matchmaker, client: client.clone(), stopper: stopper.clone(), patience }))
    }

    /// Runs `call` inside a background request; returns when it has begun. It gets a context of its own: nothing of the
    /// caller's, no deadline and no cancellation, reaches it. At a stop it is a task like any other: it is waited for, and
    /// dropped at the end of the grace period.
    ///
    /// # Errors
    /// [`Error::is_stopping`] at a stop; what the host says; [`Error::is_unavailable`] if the host or its request does not
    /// come in time. In each case `call` does not run, now or later.
    ///
    /// # Cancel safety
    /// Dropped before it returns, `call` runs if and only if the request has arrived.
    pub async fn run_in_background<T, F, R>(&self, call: F) -> Result<BackgroundHandle<T>>
    where
        F: FnOnce(BackgroundContext) -> R + Send + 'static,
        R: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let Inner { host, matchmaker, client, stopper, patience } = &*self.0;
        if stopper.is_quiescing() {
            return Err(stopping());
        }
        let id = tokio::time::timeout(*patience, host.start()).await;
        let id = id.map_err(|_| late("the host did not answer", *patience))??;
        check_id(&id)?;
        let (cancel, (told, value)) = (CancellationToken::new(), oneshot::channel());
        let (token, client, stopper) = (cancel.clone(), client.clone(), stopper.clone());
        let job: Job = Box::new(move |id, headers| {
            Box::pin(async move {
                let ctx = BackgroundContext { id, headers, client, stopper, cancel: token.clone() };
                let call = panics::catch_future(Box::pin(async move { call(ctx).await }));
                let ended = tokio::select! {
                    ended = call => ended.map_err(|panic| {
                        Error::new(Kind::TaskFailed, format!("the background call panicked: {panic}"))
                    }),
                    () = token.cancelled() => Err(cancelled()),
                };
                // Whoever has dropped the handle does not want to know.
                let _ = told.send(ended);
            })
        });
        matchmaker.call(&id, job, *patience).await?;
        Ok(BackgroundHandle { id, cancel, value })
    }

    /// A background request has arrived: gives the call that waits for it, to be run.
    #[cfg(feature = "http")]
    pub(crate) async fn arrive(&self, id: &str) -> std::result::Result<Job, NoCall> {
        self.0.matchmaker.arrive(id, self.0.patience).await
    }

    #[cfg(feature = "http")]
    pub(crate) fn stopper(&self) -> &Stopper {
        &self.0.stopper
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").field("host", &self.0.host).finish_non_exhaustive()
    }
}

/// What a background call knows of the request that it runs in.
pub struct BackgroundContext {
    id: String,
    headers: Headers,
    client: Client,
    stopper: Stopper,
    cancel: CancellationToken,
}

impl BackgroundContext {
    /// The request's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The request's headers; none, if the host is in this process.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Waits until the process begins to stop: what takes long saves what it has, and returns.
    ///
    /// # Cancel safety
    /// Cancel safe: waiting changes nothing.
    pub async fn stopping(&self) {
        self.stopper.quiescing().await;
    }

    /// Whether the process is stopping, or the call was cancelled.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopper.is_quiescing() || self.cancel.is_cancelled()
    }

    /// A client of the runtime's store.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for BackgroundContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundContext").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Enqueue for &BackgroundContext {
    async fn enqueue(self, drafts: Vec<Draft>) -> Result<Added> {
        self.client().enqueue(drafts).await
    }
}

/// A background call that has begun. Dropping it leaves the call alone.
#[derive(Debug)]
pub struct BackgroundHandle<T> {
    id: String,
    cancel: CancellationToken,
    value: oneshot::Receiver<Result<T>>,
}

impl<T> BackgroundHandle<T> {
    /// The id of the request that it runs in.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Drops the call where it next awaits. What has ended stays as it is.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Waits for the end, and gives what the call returned.
    ///
    /// # Errors
    /// [`Error::is_task_failed`] with the text if it panicked, [`Error::is_task_cancelled`] if it was cancelled or dropped
    /// at a stop.
    ///
    /// # Cancel safety
    /// Dropping the future drops the handle: the value is lost, the call runs on.
    pub async fn finished(self) -> Result<T> {
        self.value.await.unwrap_or_else(|_| Err(cancelled()))
    }
}

/// Ids are remembered and written into headers: visible ASCII, and not long.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=256).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn check_id(id: &str) -> Result<()> {
    if is_id(id) {
        return Ok(());
    }
    let text = format!("the host gave {} as the id of a background request", crate::limits::quoted(id));
    Err(Error::new(Kind::Other, text))
}

fn late(what: &str, patience: Duration) -> Error {
    let text = format!("{what} within {patience:?}: the background call was not begun, and will not be");
    Error::new(Kind::Unavailable, text)
}

pub(crate) fn stopping() -> Error {
    Error::new(Kind::Stopping, "the runtime is stopping: the background call was not begun")
}

fn cancelled() -> Error {
    Error::new(Kind::TaskCancelled, "the background call was cancelled, or dropped at a stop")
}
