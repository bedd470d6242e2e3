//! The signals that ask a process to end.

/// Waits for SIGTERM or SIGINT (ctrl-c) and gives its number. Where there is no SIGTERM, ctrl-c alone counts.
///
/// # Cancel safety
/// Cancel safe; but a signal that came before the first poll does what it does by default: it ends the process.
pub async fn shutdown_signal() -> i32 {
    const INTERRUPT: i32 = 2;
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        const TERMINATE: i32 = 15;
        let listen =
            || Ok::<_, std::io::Error>((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?));
        match listen() {
            Ok((mut terminate, mut interrupt)) => tokio::select! {
                _ = terminate.recv() => TERMINATE,
                _ = interrupt.recv() => INTERRUPT,
            },
            Err(error) => {
                tracing::error!(%error, "cannot listen for signals: they will end the process at once");
                std::future::pending().await
            }
        }
    }
    #[cfg(not(unix))]
    {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "cannot listen for ctrl-c: it will end the process at once");
            std::future::pending::<()>().await;
        }
        INTERRUPT
    }
}
