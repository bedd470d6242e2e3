//! The server for doors and pages: HTTP/1.1 with bounds on everything that a stranger can make us wait for or keep.
//!
//! Connections are workers of the stopper: when it quiesces no more are accepted and each ends with the request that it is
//! at; deliveries that run are tasks, and are waited for first.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::door::Door;
use super::parts::stopping;
use crate::error::{Error, Kind, Result};
use crate::stopper::Stopper;

/// How long the head of a request may take, and how long a connection may be idle before it.
const HEADERS: Duration = Duration::from_secs(8);

/// The head of a request: twice what functions may be given as headers.
const LARGEST_HEAD: usize = 128 * 1024;

/// What a proxy adds is a dozen; functions' own come on top.
const MOST_HEADERS: usize = 256;

/// Each holds at most a head and a body.
const MOST_CONNECTIONS: usize = 1024;

/// Serves a door, and the routes that were given to [`Door::app`], until the runtime stops.
///
/// A head of a request must come within 8 s, a body within 30 s; a connection that is idle for 8 s is closed. There are at
/// most 1024 connections; the next ones wait.
///
/// ```no_run
/// use delay::http::{Auth, Door, Keys, Pages};
///
/// # async fn example() -> delay::Result<()> {
/// let rt = delay::Runtime::open("sqlite:jobs.db").await?;
/// let keys = Keys::new(std::env::var("DELAY_KEY").unwrap_or_default().parse()?);
/// let door = Door::new(&rt, Auth::signed(keys)).app(Pages::new(&rt).router());
/// let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await.expect("the port is free");
/// tokio::try_join!(delay::http::serve(listener, door), rt.run())?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error::is_invalid_option`] if the door has [`Auth::none`](super::Auth::none) and the listener is not on the loopback:
/// the server does not start. As [`Door::router`] otherwise.
///
/// # Cancel safety
/// Dropped, it accepts no more connections; those that there are go on until they end, or the runtime stops.
pub async fn serve(listener: TcpListener, door: Door) -> Result<()> {
    let unreadable = |error| Error::with_source(Kind::Other, "cannot read the listener's address", error);
    let address = listener.local_addr().map_err(unreadable)?;
    if door.is_open_to_all() && !address.ip().is_loopback() {
        let text = format!(
            "{address} can be reached from elsewhere, and whoever reaches it could run every function: give the door keys \
             with `Auth::signed`, or listen on 127.0.0.1"
        );
        return Err(Error::new(Kind::InvalidOption, text));
    }
    let stopper = door.parts().stopper.clone();
    let router = door.open()?;
    let quiescing = stopper.quiescing();
    tokio::select! {
        served = accept(listener, router, &stopper) => served,
        () = quiescing => Ok(()),
    }
}

async fn accept(listener: TcpListener, router: Router, stopper: &Stopper) -> Result<()> {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of files, or a connection that broke before it was accepted: neither is the listener's end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let connection = connection(stream, router.clone(), stopper.clone());
        let connection = async move {
            let _place = place;
            connection.await;
        };
        stopper.run_worker("delay::http::connection", connection).map_err(|_| stopping())?;
    }
}

async fn connection(stream: TcpStream, router: Router, stopper: Stopper) {
    // Answers are small: waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let quiescing = stopper.quiescing();
    tokio::pin!(quiescing);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = &mut quiescing => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
