//! The push door: takes tasks in that a task service sends, runs them, and answers with what became of them.
//!
//! The order of the questions is the order of trust: how large is the body, who sends it, what does it say. Nothing is
//! parsed of a request that was not let in.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use tokio::sync::watch;

use super::answer::{Answer, Told};
use super::auth::{Admitted, Auth};
use super::body;
use super::delivery::Delivery;
use super::direct::Answers;
use super::kept;
use super::parts::Parts;
use crate::background::{self, Background};
use crate::error::{Error, Kind, Result};
use crate::store::Queues;

/// Where tasks are posted to, as in App Engine.
pub const PUSH_PATH: &str = "/_ah/queue/go/delay";

/// Takes in tasks over HTTP: `POST /_ah/queue/go/delay` with an invocation as its body runs that function.
///
/// | answer | means |
/// |---|---|
/// | 200 | the function has run, now or when the same task came before |
/// | 202 | it is kept in the store: the function is unknown, the arguments cannot be read, or no retry would help; the body says why |
/// | 400 | a header about the task cannot be read |
/// | 401 | the request is neither signed nor has a token that is let in; nothing ran |
/// | 413, 431 | the body, or the headers, are larger than [`Limits`](crate::Limits) allow |
/// | 422 | it cannot run, and the door [keeps nothing](Self::without_store) |
/// | 500, 503 | it failed: send it again, after `Retry-After` if there is one |
///
/// The request's headers are the function's [`headers`](crate::Context::headers), but for `Authorization`, cookies and
/// signatures. What `X-AppEngine-…` and `X-CloudTasks-…` headers say about queue, name and attempt is what the
/// [`Context`](crate::Context) says.
///
/// A task that comes again is not run again: while it runs, the second delivery waits with the first; after that it gets
/// the same answer. How a task is recognised: by the id of a signed request, or by the names of queue and task; its
/// attempts, by `TaskRetryCount`. A task that failed and comes as a further attempt runs again. This holds for as long
/// as the store remembers names (an hour, unless told otherwise).
///
/// ```no_run
/// use delay::http::{Auth, Door, Keys};
///
/// # async fn example() -> delay::Result<()> {
/// let rt = delay::Runtime::open("sqlite:jobs.db").await?;
/// let keys = Keys::new(std::env::var("DELAY_KEY").unwrap_or_default().parse()?);
/// let app: axum::Router = axum::Router::new(); // yours
/// let app = app.merge(Door::new(&rt, Auth::signed(keys)).router()?);
/// # drop(app); Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "end with `.router()`, or hand it to `delay::http::serve`"]
pub struct Door {
    parts: Parts,
    auth: Auth,
    keeping: Keeping,
    background: Option<Background>,
    app: Router,
}

#[derive(Debug)]
enum Keeping {
    InStore,
    Nowhere,
}

impl Door {
    pub(crate) fn of(parts: Parts, auth: Auth) -> Self {
        Self { parts, auth, keeping: Keeping::InStore, background: None, app: Router::new() }
    }

    /// Keeps nothing in the store: a delivery runs at once in this process, and one that cannot run is answered with 422.
    /// Deliveries that come twice are recognised as long as the process lives.
    pub fn without_store(mut self) -> Self {
        self.keeping = Keeping::Nowhere;
        self
    }

    /// Answers the host of background requests, too, at `/_ah/background`.
    pub fn background(mut self, background: &Background) -> Self {
        self.background = Some(background.clone());
        self
    }

    /// Further routes, for [`serve`](super::serve()): yours, or [`Pages`](super::Pages).
    pub fn app(mut self, routes: Router) -> Self {
        self.app = self.app.merge(routes);
        self
    }

    /// The routes, to be mounted in an application. Starts a worker for what they take in, so it wants to be called where
    /// Tokio runs.
    ///
    /// The server below decides how long a sender may take for its headers; [`serve`](super::serve()) has bounds.
    ///
    /// # Errors
    /// [`Error::is_invalid_option`] with [`Auth::none`]: whoever reaches the application could run every function.
    /// [`Error::is_no_functions`], [`Error::is_missing_state`] and [`Error::is_stopping`] as
    /// [`Runtime::start`](crate::Runtime::start).
    pub fn router(self) -> Result<Router> {
        if self.auth.is_none() {
            let text = "whoever reaches this application could run every function: give the door keys with \
                        `Auth::signed`, or serve it on the loopback alone with `delay::http::serve`";
            return Err(Error::new(Kind::InvalidOption, text));
        }
        self.open()
    }

    pub(super) fn is_open_to_all(&self) -> bool {
        self.auth.is_none()
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// As [`router`](Self::router), whoever may call.
    pub(super) fn open(self) -> Result<Router> {
        let executor = &self.parts.executor;
        executor.registry.check_not_empty()?;
        executor.registry.check_states(&executor.states)?;
        let answers = match self.keeping {
            Keeping::Nowhere => Some(Arc::default()),
            Keeping::InStore => {
                let queues = watch::channel(Queues::Only([kept::QUEUE.to_owned()].into())).1;
                self.parts.start_worker("push", Arc::clone(executor), queues)?;
                None
            }
        };
        let hall =
            Arc::new(Hall { auth: self.auth, answers, parts: self.parts, background: self.background });
        let mut router = Router::new().route(PUSH_PATH, post(push));
        if hall.background.is_some() {
            router = router.route(background::PATH, post(begin));
        }
        Ok(router.with_state(hall).merge(self.app))
    }
}

/// Behind the door.
#[derive(Debug)]
struct Hall {
    parts: Parts,
    auth: Auth,
    /// Without a store: what was answered here.
    answers: Option<Arc<Answers>>,
    background: Option<Background>,
}

impl Hall {
    /// Reads a request and lets it in.
    async fn admit(&self, request: Request) -> Result<(HeaderMap, Admitted, Bytes), Response> {
        let (head, body) = request.into_parts();
        let limit = self.parts.executor.client.limits().payload;
        let body = body::read(body, limit).await.map_err(|status| status.into_response())?;
        let admitted =
            self.auth.admit(&head.headers, &body, SystemTime::now().into()).map_err(|refusal| {
                tracing::warn!(path = head.uri.path(), reason = refusal.reason(), "a request is not let in");
                let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::UNAUTHORIZED);
                (status, refusal.to_string()).into_response()
            })?;
        Ok((head.headers, admitted, body))
    }

    async fn deliver(&self, delivery: Delivery) -> Told {
        let told = match &self.answers {
            Some(answers) => answers.deliver(&self.parts, delivery).await.map(|answer| Told(answer, None)),
            None => kept::deliver(&self.parts, delivery).await,
        };
        told.unwrap_or_else(|error| {
            tracing::error!(error = error.chain(), "a delivery could not be stored");
            Told(Answer::Unavailable("the store is in trouble"), None)
        })
    }
}

async fn push(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let (headers, admitted, payload) = match hall.admit(request).await {
        Ok(admitted) => admitted,
        Err(response) => return response,
    };
    let delivery = match Delivery::read(&headers, &admitted, payload) {
        Ok(delivery) => delivery,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    if delivery.headers_size() > hall.parts.executor.client.limits().headers {
        return StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response();
    }
    let told = hall.deliver(delivery).await;
    let (answer, task) = (&told.0, told.1.map(tracing::field::display));
    match answer {
        Answer::Succeeded => {}
        Answer::Again { why, .. } => tracing::error!(task, error = why, "a delivery failed"),
        Answer::Held(why) | Answer::Failed(why) | Answer::Refused(why) => {
            tracing::error!(task, error = why, outcome = answer.word(), "a delivery cannot succeed");
        }
        Answer::Cancelled(_) | Answer::Kept | Answer::Unavailable(_) => {
            tracing::warn!(task, outcome = answer.word(), "a delivery has not run to its end");
        }
    }
    told.into_response()
}

async fn begin(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let (headers, ..) = match hall.admit(request).await {
        Ok(admitted) => admitted,
        Err(response) => return response,
    };
    match &hall.background {
        Some(background) => super::begin::answer(background, &headers).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
