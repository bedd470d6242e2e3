//! Background requests over HTTP: the door that takes them in, and a host that sends them to this program's own address.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::{HeaderMap, Request, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use super::key::Keys;
use super::line::{Line, Reply};
use super::target::Target;
use crate::background::{self, Background, Host, Matchmaker, NoCall};
use crate::context::Headers;
use crate::error::{Error, Kind, Result};
use crate::id::TaskId;
use crate::stopper::Stopper;
use crate::store::Pending;

/// A background request has been let in: runs the call that it is for, and answers when that has ended.
pub(super) async fn answer(background: &Background, headers: &HeaderMap) -> Response {
    let mut ids = headers.get_all(background::ID_HEADER).iter();
    let (id, second) = (ids.next().and_then(|id| id.to_str().ok()), ids.next());
    let Some(id) = id.filter(|id| second.is_none() && background::is_id(id)).map(str::to_owned) else {
        let text = format!("`{}` is missing, twice there, or not an id", background::ID_HEADER);
        return (StatusCode::BAD_REQUEST, text).into_response();
    };
    let job = match background.arrive(&id).await {
        Ok(job) => job,
        Err(none) => {
            let status = match none {
                NoCall::Unknown => StatusCode::NOT_FOUND,
                NoCall::Duplicate => StatusCode::CONFLICT,
                NoCall::Busy => StatusCode::SERVICE_UNAVAILABLE,
            };
            return (status, none.to_string()).into_response();
        }
    };
    let text =
        headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    let call = job(id, Headers::new(text.collect()));
    // On its own: the call outlives a connection that breaks.
    match background.stopper().run_async_task("delay::background", call) {
        Ok(call) => match call.await {
            Ok(()) => StatusCode::OK.into_response(),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "dropped: this program is stopping").into_response(),
        },
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "this program is stopping").into_response(),
    }
}

/// Sends background requests to `/_ah/background` of an address that leads to this very process: a call cannot leave it.
#[derive(Debug)]
pub struct BackgroundHost {
    url: Uri,
    keys: Keys,
    line: Line,
}

impl BackgroundHost {
    /// A host that sends to `base`, such as `http://127.0.0.1:8080`, and signs with the first of `keys`.
    ///
    /// # Errors
    /// [`Error::is_invalid_option`] if `base` is not a URL of `http` or `https`.
    pub fn new(base: &str, keys: Keys) -> Result<Self> {
        let url = base.parse::<Target>()?.url(background::PATH)?;
        Ok(Self { url, keys, line: Line::new()? })
    }

    pub(crate) fn joined(self, matchmaker: &Arc<Matchmaker>, stopper: Stopper) -> Arc<dyn Host> {
        Arc::new(Joined { host: self, matchmaker: Arc::clone(matchmaker), stopper })
    }
}

/// A host that knows whom to tell if a request cannot be made.
struct Joined {
    host: BackgroundHost,
    matchmaker: Arc<Matchmaker>,
    stopper: Stopper,
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)
    }
}

impl Host for Joined {
    fn start(&self) -> Pending<'_, String> {
        let id = TaskId::new().to_string();
        Box::pin(async move {
            let request = self.request(&id)?;
            let (line, matchmaker, told) = (self.host.line.clone(), Arc::clone(&self.matchmaker), id.clone());
            // It lasts as long as the call; a failure that comes later concerns nobody.
            let sending = async move {
                match line.send(request).await {
                    Ok(Reply { status, .. }) if status.is_success() => {}
                    Ok(Reply { status, text, .. }) => {
                        let text = format!("the background request was answered with {status}: {text}");
                        matchmaker.fail(&told, Error::new(Kind::Unavailable, text));
                    }
                    Err(error) => matchmaker.fail(&told, error),
                }
            };
            let stopping = self.stopper.stopping();
            let sending = async move {
                tokio::select! {
                    () = sending => {}
                    () = stopping => {}
                }
            };
            self.stopper
                .run_worker("delay::http::background", sending)
                .map_err(|_| background::stopping())?;
            Ok(id)
        })
    }
}

impl Joined {
    fn request(&self, id: &str) -> Result<Request<Bytes>> {
        let mut request = Request::post(self.host.url.clone()).header(background::ID_HEADER, id);
        let signed = self.host.keys.sign(id, SystemTime::now().into(), b"")?;
        for (name, value) in signed.headers() {
            request = request.header(name, value);
        }
        request
            .body(Bytes::new())
            .map_err(|error| Error::with_source(Kind::Other, "cannot make the background request", error))
    }
}
