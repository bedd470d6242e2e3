//! Pages about a runtime, for supervisors and for people: is it alive, is it ready, what does it count, what is it at.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::metrics;
use super::parts::Parts;
use crate::stopper::live_stoppers;

/// How long a worker or a store may take to answer before it counts as not there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pages about a runtime. They are for whoever can reach them: mount them where that is your supervisor.
///
/// | path | |
/// |---|---|
/// | `/healthz` | 200: the process lives, and its Tokio runtime turns |
/// | `/readyz` | 200 if the store answers, the worker claims and is not stalled, and the runtime does not stop; else 503. A line for each |
/// | `/metrics` | figures, in Prometheus' text format: tasks by queue and state, workers, CPU and memory |
/// | `/debug/stopper` | what runs, by name and place |
#[derive(Debug)]
pub struct Pages(Parts);

impl Pages {
    pub(crate) fn of(parts: Parts) -> Self {
        Self(parts)
    }

    /// The routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(figures))
            .route("/debug/stopper", get(async || stoppers()))
            .with_state(Arc::new(self.0))
    }
}

/// What has to be true of a program that work is sent to.
async fn ready(State(parts): State<Arc<Parts>>) -> Response {
    let stored = async {
        match tokio::time::timeout(PATIENCE, parts.store().workers()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(error = error.chain(), "not ready: the store failed");
                Err("does not answer")
            }
            Err(_) => Err("does not answer in time"),
        }
    };
    let (stored, vitals) = tokio::join!(stored, parts.pulses.feel(PATIENCE));
    let mut lines = vec![("the store".to_owned(), stored)];
    if vitals.is_empty() {
        lines.push(("the worker".to_owned(), Err("was not started")));
    }
    for (name, vital) in vitals {
        let is = match vital {
            None => Err("is stalled, or has not reached the store yet"),
            Some(vital) if vital.in_trouble => Err("cannot claim: its store is in trouble"),
            Some(_) => Ok(()),
        };
        lines.push((format!("worker {name}"), is));
    }
    let stopping = if parts.stopper.is_quiescing() { Err("is stopping") } else { Ok(()) };
    lines.push(("the runtime".to_owned(), stopping));
    let status = match lines.iter().all(|(_, is)| is.is_ok()) {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text: String = lines.iter().fold(String::new(), |mut text, (what, is)| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{what}: {}", is.err().unwrap_or("ok"));
        text
    });
    (status, text).into_response()
}

async fn figures(State(parts): State<Arc<Parts>>) -> Response {
    match metrics::text(&parts, PATIENCE).await {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(error = error.chain(), "the figures could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn stoppers() -> String {
    live_stoppers().iter().fold(String::new(), |mut text, stopper| {
        let _ = writeln!(text, "{stopper}");
        text
    })
}
