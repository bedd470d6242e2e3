//! The line to other programs: requests over HTTP/1.1, with TLS where the URL says so. Redirects are answers, not orders:
//! nothing is followed. What a receiver says is read up to a bound.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{self, Error, Kind, Result};

/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(10);

/// How long a connection is kept for the next request: less than most servers keep it.
const IDLE: Duration = Duration::from_secs(5);

/// What is read of an answer's body: a reason, or an issuer's keys.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Sends requests. Clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct Line(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The beginning of the body.
    pub(super) text: String,
}

impl Line {
    /// A line that trusts the certificates that the machine trusts.
    pub(super) fn new() -> Result<Self> {
        let mut roots = RootCertStore::empty();
        // Some of them may not be readable; a target that is not trusted is told when it is called.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::with_source(Kind::Other, "cannot set TLS up", error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECTING));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(64);
        Ok(Self(builder.build(connector)))
    }

    /// Sends a request and waits for the answer, however long that takes.
    ///
    /// # Errors
    /// There was no answer; nobody knows how far the request got.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Reply> {
        let response = self.0.request(request.map(Full::new)).await;
        let response = response.map_err(|error| {
            Error::new(Kind::Unavailable, format!("there was no answer: {}", error::chain(&error)))
        })?;
        let (head, body) = response.into_parts();
        // A body that is cut off or too long does not change what the status says.
        let body = Limited::new(body, LONGEST_ANSWER).collect().await;
        let bytes = body.map(|collected| collected.to_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Reply { status: head.status, headers: head.headers, text })
    }
}
