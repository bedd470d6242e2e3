//! The signals that ask a process to end.

use std::time::{Duration, Instant};

/// SIGINT: ctrl-c.
const INTERRUPT: i32 = 2;

/// A signal that is repeated sooner is the same request: a supervisor signals the process and its group, a shell too.
const ECHO: Duration = Duration::from_millis(500);

/// Waits for SIGTERM or SIGINT (ctrl-c) and gives its number. Where there is no SIGTERM, ctrl-c alone counts.
///
/// # Cancel safety
/// Cancel safe; but a signal that came before the first poll does what it does by default: it ends the process.
pub async fn shutdown_signal() -> i32 {
    Shutdown::listen().requested().await
}

/// Listens from the moment it is made.
pub(super) struct Shutdown {
    #[cfg(unix)]
    signals: std::io::Result<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)>,
    last: Option<Instant>,
}

impl Shutdown {
    pub(super) fn listen() -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let terminate = signal(SignalKind::terminate());
            let signals = terminate.and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
            if let Err(error) = &signals {
                tracing::error!(%error, "cannot listen for signals: they will end the process at once");
            }
            Self { signals, last: None }
        }
        #[cfg(not(unix))]
        Self { last: None }
    }

    /// The next request to end: echoes of the last one are left out.
    pub(super) async fn requested(&mut self) -> i32 {
        loop {
            let signal = self.next().await;
            let now = Instant::now();
            if self.last.is_none_or(|last| now.duration_since(last) >= ECHO) {
                self.last = Some(now);
                return signal;
            }
        }
    }

    #[cfg(unix)]
    async fn next(&mut self) -> i32 {
        const TERMINATE: i32 = 15;
        match &mut self.signals {
            Ok((terminate, interrupt)) => tokio::select! {
                _ = terminate.recv() => TERMINATE,
                _ = interrupt.recv() => INTERRUPT,
            },
            Err(_) => std::future::pending().await,
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> i32 {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "cannot listen for ctrl-c: it will end the process at once");
            std::future::pending::<()>().await;
        }
        INTERRUPT
    }
}
