//! The ways to the server. What the store builds on:
//!
//! - [`Connector::connect`]: one [`Line`] to the first host that lets us in and takes writes. One try, bounded in time
//!   (`connect_timeout` per host, name look-up, TLS, sign-in and session included).
//! - [`Connector::persist`]: the same until it succeeds, with growing pauses; for what has to go on by itself.
//! - [`Connector::pool`]: a deadpool of lines, each with a cache of statements: `pool::Pooled` is to this pool what
//!   `deadpool_postgres::Object` is to the crate's own (it derefs to the same `ClientWrapper`), with our errors.
//! - [`Connector::close`]: the end of all lines. What connects later is refused.
//!
//! The store begins so:
//!
//! ```ignore
//! let words = Words::parse(url, &|name| std::env::var(name).ok())?; // the URL and PG* variables
//! let settings = Settings::read(&words)?; // schema, durability, pool, switches
//! let connector = Connector::new(&words, session_sql)?;
//! let pool = connector.pool(settings.pool);
//! ```
//!
//! Every connection's task belongs to the connector: `close` waits for it. A line that is dropped ends its connection.
//! Errors name the hosts and never the password. After [`crate::Error::is_unavailable`] drop the line or the pooled
//! connection (`pool::discard`) and take another: it may lead to another server.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Connection, Notification, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::{Address, Order};
use super::fault::{closed, fault};
use super::refusal::{refusal, silence};
use super::tls::{Mode, Tls};
use super::words::Words;
use crate::backoff::Backoff;
use crate::error::{Error, Result};

/// How long `close` waits for connections to say goodbye before it cuts them.
const GOODBYE: Duration = Duration::from_secs(1);

/// Makes connections, and ends them. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(super) struct Connector(Arc<Inner>);

struct Inner {
    address: Address,
    /// How each host is reached, aligned with the address.
    tls: Vec<(Mode, MakeRustlsConnect)>,
    /// SQL for the beginning of every session.
    session: String,
    /// The host that let us in last: it is tried first.
    last: AtomicUsize,
    lines: TaskTracker,
    closed: CancellationToken,
}

/// One connection.
pub(super) struct Line {
    pub(super) client: Client,
    driver: JoinHandle<()>,
}

/// What is done about a notification: called between two packets, so it must not wait.
pub(super) type Heard = Box<dyn FnMut(Notification) + Send>;

impl Connector {
    /// Reads certificates; connects to nothing yet. `session` is SQL that every connection begins with, such as
    /// `SET synchronous_commit = off`.
    pub(super) fn new(words: &Words, session: impl Into<String>) -> Result<Self> {
        let (address, tls) = (Address::read(words)?, Tls::read(words)?);
        let ways = address.hosts.iter().map(|host| {
            let mode = tls.mode(host);
            Ok((mode, tls.connector(mode)?))
        });
        let tls = ways.collect::<Result<_>>()?;
        let (last, lines, closed) = (AtomicUsize::new(0), TaskTracker::new(), CancellationToken::new());
        Ok(Self(Arc::new(Inner { address, tls, session: session.into(), last, lines, closed })))
    }

    /// Connects, with one try per host.
    ///
    /// # Errors
    /// The last host's, if none lets us in; after `close` that the store is closed.
    ///
    /// # Cancel safety
    /// If it is dropped, there is no connection.
    pub(super) async fn connect(&self) -> Result<Line> {
        self.connect_hearing(Box::new(|_| ())).await
    }

    /// Connects; what the connection is notified of (after `LISTEN`) goes to `heard`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub(super) async fn connect_hearing(&self, heard: Heard) -> Result<Line> {
        tokio::select! {
            biased;
            () = self.0.closed.cancelled() => Err(closed()),
            line = self.try_hosts(heard) => line,
        }
    }

    /// Connects, and goes on trying while the server is away: after 50 ms, then longer, up to 2 s; by chance up to half
    /// of a pause is left out, so that many workers do not come back in step.
    ///
    /// # Errors
    /// What trying again will not help: wrong passwords and the like; after `close` that the store is closed.
    pub(super) async fn persist(&self, mut heard: impl FnMut() -> Heard) -> Result<Line> {
        self.persist_with(|| self.connect_hearing(heard())).await
    }

    /// Does what needs the server until it is done, however often the server goes away meanwhile; pauses as
    /// [`persist`](Self::persist) does. Only for what may be done twice.
    ///
    /// # Errors
    /// As [`persist`](Self::persist).
    pub(super) async fn persist_with<T, F: Future<Output = Result<T>>>(
        &self,
        mut act: impl FnMut() -> F,
    ) -> Result<T> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            match act().await {
                Err(error) if error.is_unavailable() => {
                    let pause = backoff.next_by_chance();
                    tracing::warn!(error = %error.chain(), again_in = ?pause, "the store's server is away");
                    tokio::select! {
                        () = self.0.closed.cancelled() => return Err(closed()),
                        () = tokio::time::sleep(pause) => {}
                    }
                }
                other => return other,
            }
        }
    }

    /// Ends all connections, and waits until they have ended.
    pub(super) async fn close(&self) {
        self.0.lines.close();
        // Whoever has dropped its lines has said goodbye on them: give that a moment to be sent.
        let _ = tokio::time::timeout(GOODBYE, self.0.lines.wait()).await;
        self.0.closed.cancel();
        self.0.lines.wait().await;
    }

    async fn try_hosts(&self, mut heard: Heard) -> Result<Line> {
        let count = self.0.address.hosts.len();
        let first = match self.0.address.order {
            Order::Written => self.0.last.load(Ordering::Relaxed),
            Order::Random => uuid::Uuid::new_v4().as_u128() as usize % count,
        };
        let mut failed = None;
        for index in (0..count).map(|step| (first + step) % count) {
            match self.try_host(index, heard).await {
                Ok(line) => {
                    // A hint where to begin; nothing is read because of it.
                    self.0.last.store(index, Ordering::Relaxed);
                    return Ok(line);
                }
                Err((error, unused)) => {
                    // One that is only away says less than one that refuses us.
                    if failed.as_ref().is_none_or(Error::is_unavailable) {
                        failed = Some(error);
                    }
                    heard = unused;
                }
            }
        }
        Err(failed.expect("an address has a host"))
    }

    async fn try_host(&self, index: usize, heard: Heard) -> Result<Line, (Error, Heard)> {
        let (host, (mode, tls)) = (&self.0.address.hosts[index], &self.0.tls[index]);
        let mut config = self.0.address.config(host);
        config.ssl_mode(mode.ssl());
        let opening = async {
            let opened = config.connect(tls.clone()).await;
            opened.map_err(|error| refusal(host, error))
        };
        let limit = self.0.address.connect_timeout;
        let opened = tokio::time::timeout(limit, opening).await.unwrap_or_else(|_| Err(silence(host, limit)));
        let (client, connection) = match opened {
            Ok(opened) => opened,
            Err(error) => return Err((error, heard)),
        };
        let driver = self.drive(connection, heard);
        let line = Line { client, driver };
        if self.0.session.is_empty() {
            return Ok(line);
        }
        let begun = tokio::time::timeout(limit, line.client.batch_execute(&self.0.session)).await;
        let begun = match begun {
            Ok(begun) => begun.map_err(|error| fault(&format!("begin a session on {host}"), error)),
            Err(_) => Err(silence(host, limit)),
        };
        begun.map(|()| line).map_err(|error| (error, Box::new(|_| ()) as Heard))
    }

    /// Moves a connection's packets until it ends or the store is closed.
    fn drive<S>(&self, mut connection: Connection<Socket, S>, mut heard: Heard) -> JoinHandle<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let closed = self.0.closed.clone();
        self.0.lines.spawn(async move {
            loop {
                let message = tokio::select! {
                    biased;
                    () = closed.cancelled() => return,
                    message = poll_fn(|context| connection.poll_message(context)) => message,
                };
                match message {
                    Some(Ok(AsyncMessage::Notification(notification))) => heard(notification),
                    Some(Ok(AsyncMessage::Notice(notice))) => {
                        tracing::debug!(
                            severity = notice.severity(),
                            "the server says: {}",
                            notice.message()
                        );
                    }
                    Some(Ok(_)) => {}
                    // Whoever uses the connection hears of it as well, and says what could not be done.
                    Some(Err(error)) => return tracing::debug!(%error, "a connection broke"),
                    None => return,
                }
            }
        })
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("hosts", &format_args!("{}", self.0.address))
            .finish_non_exhaustive()
    }
}

impl Line {
    /// Waits for the end of the connection, whoever ends it.
    ///
    /// # Cancel safety
    /// Safe: it only looks.
    pub(super) async fn ended(&mut self) {
        // An error means that the task was ended from outside; that is an end, too.
        let _ = (&mut self.driver).await;
    }

    /// The driver's client and the task that moves its packets.
    pub(super) fn into_parts(self) -> (Client, JoinHandle<()>) {
        (self.client, self.driver)
    }
}
