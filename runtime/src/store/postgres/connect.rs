//! The ways to the server. What the store builds on:
//!
//! - [`Connector::connect`]: one [`Line`] to the first host that lets us in and takes writes. One try, bounded in time
//!   (`connect_timeout` per host, name look-up, TLS, sign-in and session included), and not too soon after one that
//!   failed, whoever asked for that.
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
//! A server that owes an answer beyond `statement_timeout` hangs: all connections to it are cut, those that only listen,
//! too, and the next ones may lead to another host.
//!
//! Every connection's task belongs to the connector: `close` waits for it. A line that is dropped ends its connection.
//! Errors name the hosts and never the password. After [`crate::Error::is_unavailable`] drop the line or the pooled
//! connection (`pool::discard`) and take another: it may lead to another server.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Connection, Notification, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::{Address, Host, Order, Target};
use super::fault::{closed, fault};
use super::refusal::{absence, refusal, silence, standby};
use super::settings::Settings;
use super::tls::{Mode, Tls};
use super::wire::{Debt, Wire};
use super::words::Words;
use crate::backoff::Backoff;
use crate::error::{Error, Result};

/// How long `close` waits for connections to say goodbye before it cuts them.
const GOODBYE: Duration = Duration::from_secs(1);

/// What an answer may take beyond `statement_timeout`, after which the server says itself that it took too long.
const TRAVEL: Duration = Duration::from_secs(5);

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
    /// For each host, what is cancelled when it hangs.
    hung: Vec<Mutex<CancellationToken>>,
    /// How long a server may owe an answer; none if a statement may take any time.
    patience: Option<Duration>,
    pace: Mutex<Pace>,
    lines: TaskTracker,
    closed: CancellationToken,
}

/// When it is worth trying again after nobody let us in.
struct Pace {
    backoff: Backoff,
    not_before: Option<Instant>,
}

/// The half of a connection that moves its packets.
type Driven = Connection<Wire, <MakeRustlsConnect as MakeTlsConnect<Wire>>::Stream>;

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
        let timeout = Settings::read(words)?.statement_timeout;
        let (address, tls) = (Address::read(words)?, Tls::read(words)?);
        let ways = address.hosts.iter().map(|host| {
            let mode = tls.mode(host);
            Ok((mode, tls.connector(mode)?))
        });
        let tls = ways.collect::<Result<_>>()?;
        Ok(Self(Arc::new(Inner {
            tls,
            session: session.into(),
            last: AtomicUsize::new(0),
            hung: address.hosts.iter().map(|_| Mutex::default()).collect(),
            patience: (!timeout.is_zero()).then_some(timeout + TRAVEL),
            pace: Mutex::new(Pace {
                backoff: Backoff::new(Duration::from_millis(25), Duration::from_secs(1)),
                not_before: None,
            }),
            lines: TaskTracker::new(),
            closed: CancellationToken::new(),
            address,
        })))
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
            line = self.paced(heard) => line,
        }
    }

    /// One try, but not too soon after one that failed: the pause grows to a second, and up to half of it is left out by
    /// chance, so that many processes do not come back in step.
    async fn paced(&self, heard: Heard) -> Result<Line> {
        let pace = || self.0.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let not_before = pace().not_before;
        if let Some(time) = not_before {
            tokio::time::sleep_until(time).await;
        }
        let tried = self.try_hosts(heard).await;
        let mut pace = pace();
        match &tried {
            Ok(_) => {
                pace.backoff.reset();
                pace.not_before = None;
            }
            Err(_) => pace.not_before = Some(Instant::now() + pace.backoff.next_by_chance()),
        }
        drop(pace);
        tried
    }

    /// Ends all connections, and waits until they have ended.
    pub(super) async fn close(&self) {
        self.0.lines.close();
        // Whoever has dropped its lines has said goodbye on them: give that a moment to be sent.
        let _ = tokio::time::timeout(GOODBYE, self.0.lines.wait()).await;
        self.0.closed.cancel();
        self.0.lines.wait().await;
    }

    async fn try_hosts(&self, heard: Heard) -> Result<Line> {
        let count = self.0.address.hosts.len();
        let first = match self.0.address.order {
            Order::Written => self.0.last.load(Ordering::Relaxed),
            Order::Random => uuid::Uuid::new_v4().as_u128() as usize % count,
        };
        let mut failed = None;
        for index in (0..count).map(|step| (first + step) % count) {
            match self.try_host(index).await {
                Ok((client, connection, debt)) => {
                    // A hint where to begin; nothing is read because of it.
                    self.0.last.store(index, Ordering::Relaxed);
                    let driver = self.drive(index, connection, debt, heard);
                    return Ok(Line { client, driver });
                }
                // One that is only away says less than one that refuses us.
                Err(error) if failed.as_ref().is_none_or(Error::is_unavailable) => failed = Some(error),
                Err(_) => {}
            }
        }
        Err(failed.expect("an address has a host"))
    }

    /// A session on one host, with what it begins with done.
    async fn try_host(&self, index: usize) -> Result<(Client, Driven, Debt)> {
        let (address, host) = (&self.0.address, &self.0.address.hosts[index]);
        let opening = async {
            let (mode, tls) = &self.0.tls[index];
            let wire = Wire::open(address, host).await.map_err(|error| absence(host, error))?;
            let debt = wire.debt();
            let mut config = address.config(host);
            config.ssl_mode(mode.ssl());
            let Ok(tls) = MakeTlsConnect::<Wire>::make_tls_connect(&mut tls.clone(), host.name());
            let opened = config.connect_raw(wire, tls).await;
            let (client, mut connection) = opened.map_err(|error| refusal(host, error))?;
            self.begin(host, &client, &mut connection).await?;
            Ok((client, connection, debt))
        };
        let limit = address.connect_timeout;
        tokio::time::timeout(limit, opening).await.unwrap_or_else(|_| Err(silence(host, limit)))
    }

    /// The session's first statements, in one round trip with the question whether it takes writes.
    async fn begin(&self, host: &Host, client: &Client, connection: &mut Driven) -> Result<()> {
        let sql = format!("{}; SHOW transaction_read_only", self.0.session);
        let asked = client.simple_query(&sql);
        tokio::pin!(asked);
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut asked => break answer,
                message = poll_fn(|context| connection.poll_message(context)) => match message {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break Err(error),
                    None => return Err(absence(host, std::io::ErrorKind::UnexpectedEof.into())),
                }
            }
        };
        let messages = answer.map_err(|error| fault(&format!("begin a session on {host}"), error))?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        let reads_only = rows.last() == Some("on");
        if reads_only && self.0.address.target == Target::Writes { Err(standby(host)) } else { Ok(()) }
    }

    /// Moves a connection's packets until it ends, the server hangs, or the store is closed.
    fn drive(&self, index: usize, mut connection: Driven, debt: Debt, mut heard: Heard) -> JoinHandle<()> {
        let inner = Arc::clone(&self.0);
        // Those that only listen are owed nothing: they learn from the others that the server hangs.
        let hung = inner.hung[index].lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.0.lines.spawn(async move {
            loop {
                let message = tokio::select! {
                    biased;
                    () = inner.closed.cancelled() => return,
                    () = hung.cancelled() => return,
                    message = poll_fn(|context| connection.poll_message(context)) => message,
                    () = debt.beyond(inner.patience) => return inner.give_up(index),
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

impl Inner {
    /// A server that has owed an answer for so long hangs: all connections to it end, and whoever waits on them is told.
    fn give_up(&self, index: usize) {
        let host = &self.address.hosts[index];
        tracing::warn!(%host, after = ?self.patience, "the server hangs; all connections to it are cut");
        let mut hung = self.hung[index].lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *hung).cancel();
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
