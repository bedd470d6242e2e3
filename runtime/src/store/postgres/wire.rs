//! A socket to the server that knows how long the server has owed an answer. A server whose machine hangs keeps its
//! connections, and its kernel goes on acknowledging what it gets: only the missing answer tells.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::address::{Address, At, Host, Keepalive};

/// A connected socket.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    debt: Debt,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Since when something that was sent has had no answer at all; shared by the wire and whoever watches it.
#[derive(Clone, Default)]
pub(super) struct Debt(Arc<Mutex<Option<Instant>>>);

impl Debt {
    fn since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sent(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
    }

    fn heard(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits until the server has owed an answer for so long; without a limit, for ever.
    ///
    /// # Cancel safety
    /// Safe: it only looks.
    pub(super) async fn beyond(&self, limit: Option<Duration>) {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            let since = self.since();
            if since.is_some_and(|since| since.elapsed() >= limit) {
                return;
            }
            // What is asked while we sleep has its limit later than now and `limit`.
            tokio::time::sleep_until(since.unwrap_or_else(Instant::now) + limit).await;
        }
    }
}

impl Wire {
    /// Connects to a host: to the first of its addresses that answers.
    pub(super) async fn open(address: &Address, host: &Host) -> io::Result<Self> {
        let stream: Box<dyn Stream> = match &host.at {
            #[cfg(unix)]
            At::Socket(folder) => {
                Box::new(UnixStream::connect(folder.join(format!(".s.PGSQL.{}", host.port))).await?)
            }
            #[cfg(not(unix))]
            At::Socket(_) => return Err(io::ErrorKind::Unsupported.into()),
            At::Net { address: Some(ip), .. } => tuned(TcpStream::connect((*ip, host.port)).await?, address)?,
            At::Net { name, address: None } => {
                tuned(TcpStream::connect((name.as_str(), host.port)).await?, address)?
            }
        };
        Ok(Self { stream, debt: Debt::default() })
    }

    /// For whoever watches over it.
    pub(super) fn debt(&self) -> Debt {
        self.debt.clone()
    }
}

/// A machine that is gone without a word is noticed by what it does not acknowledge.
fn tuned(stream: TcpStream, address: &Address) -> io::Result<Box<dyn Stream>> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    if let Some(Keepalive { idle, interval, count }) = address.keepalive {
        let keepalive = TcpKeepalive::new().with_time(idle).with_interval(interval);
        #[cfg(not(target_os = "openbsd"))]
        let keepalive = keepalive.with_retries(count);
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(target_os = "linux")]
    if !address.user_timeout.is_zero() {
        socket.set_tcp_user_timeout(Some(address.user_timeout))?;
    }
    Ok(Box::new(stream))
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.debt.heard();
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if matches!(polled, Poll::Ready(Ok(1..))) {
            self.debt.sent();
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    async fn waits(debt: &Debt) -> Duration {
        let begin = Instant::now();
        debt.beyond(Some(LIMIT)).await;
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_was_asked_nothing_owes_nothing() {
        let debt = Debt::default();
        let hours = Duration::from_secs(36_000);
        assert!(tokio::time::timeout(hours, debt.beyond(Some(LIMIT))).await.is_err());
        debt.sent();
        debt.heard();
        assert!(tokio::time::timeout(hours, debt.beyond(Some(LIMIT))).await.is_err());
        debt.sent();
        assert!(tokio::time::timeout(hours, debt.beyond(None)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_owed_since_the_first_thing_that_was_sent() {
        let debt = Debt::default();
        debt.sent();
        tokio::time::advance(LIMIT / 3).await;
        debt.sent();
        let waited = waits(&debt).await;
        assert!(waited <= LIMIT, "{waited:?}");
        assert!(waited >= LIMIT / 2, "{waited:?}");
    }
}
