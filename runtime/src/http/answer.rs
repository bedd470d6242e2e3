//! What the sender of a delivery is told. The status is for any task service; two headers say more to a dispatcher.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::id::TaskId;
use crate::outcome::Transition;
use crate::posted::Answered;
use crate::store::TaskRecord;
use crate::task::TaskState;

/// What became of the delivery: `succeeded`, `failed`, `cancelled`, `held`, `kept` or `again`.
pub(super) const OUTCOME: HeaderName = HeaderName::from_static("delay-outcome");
/// The delivery's task at the receiver's.
pub(super) const TASK: HeaderName = HeaderName::from_static("delay-task");

/// A reason is for people; it must not be long.
const LONGEST_REASON: usize = 4096;

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It ran. 200.
    Succeeded,
    /// It is to be sent again: 500, or 503 with `Retry-After` if it says when.
    Again { wait: Option<Duration>, why: String },
    /// It ran, and no retry will help. 202: the failure is kept here.
    Failed(String),
    /// It is not wanted any more. 202.
    Cancelled(String),
    /// It cannot run; it is kept here, and runs when it can. 202.
    Held(String),
    /// It is kept here, and will run here. 202.
    Kept,
    /// It cannot run, and there is nowhere to keep it. 422.
    Refused(String),
    /// Nothing could be done with it now. 503.
    Unavailable(&'static str),
}

impl Answer {
    /// What a record of a delivery says.
    pub(super) fn of(record: &TaskRecord) -> Self {
        let why = record.error.clone().unwrap_or_default();
        match record.state {
            TaskState::Succeeded => Self::Succeeded,
            TaskState::Failed => Self::failed(why),
            TaskState::Cancelled => Self::Cancelled(why),
            TaskState::Held => Self::Held(why),
            TaskState::Ready | TaskState::Scheduled | TaskState::Running => Self::Kept,
        }
    }

    /// What a decision about an attempt says, where nothing is kept.
    pub(super) fn decided(transition: Transition) -> Self {
        match transition {
            Transition::Succeed(_) => Self::Succeeded,
            Transition::Fail { error } => Self::failed(error),
            Transition::Cancel { reason } => Self::Cancelled(reason),
            Transition::Hold { error, .. } => Self::Refused(error),
            Transition::Retry { wait, error } => Self::Again { wait: Some(wait), why: error },
            Transition::Snooze { wait } => Self::Again { wait: Some(wait), why: "snoozed".to_owned() },
            Transition::Refund => Self::Unavailable("interrupted: this program is stopping"),
        }
    }

    fn failed(why: String) -> Self {
        match why.parse::<Answered>() {
            Ok(Answered { wait, .. }) => Self::Again { wait, why },
            Err(_) => Self::Failed(why),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Succeeded => StatusCode::OK,
            Self::Again { wait: None, .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Again { .. } | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_) | Self::Cancelled(_) | Self::Held(_) | Self::Kept => StatusCode::ACCEPTED,
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    /// The word for [`OUTCOME`], where it is the delivery's own; nothing where this program is in trouble.
    pub(super) fn word(&self) -> Option<&'static str> {
        Some(match self {
            Self::Succeeded => "succeeded",
            Self::Again { .. } => "again",
            Self::Failed(_) => "failed",
            Self::Cancelled(_) => "cancelled",
            Self::Held(_) => "held",
            Self::Kept => "kept",
            Self::Refused(_) => "refused",
            Self::Unavailable(_) => return None,
        })
    }

    fn text(self) -> String {
        let mut text = match self {
            Self::Succeeded => return String::new(),
            Self::Again { why, .. } => why,
            Self::Failed(why) => format!("failed for good: {why}"),
            Self::Cancelled(why) => format!("cancelled: {why}"),
            Self::Held(why) => format!("held: {why}"),
            Self::Kept => "kept: it will run here".to_owned(),
            Self::Refused(why) => format!("cannot run here: {why}"),
            Self::Unavailable(why) => why.to_owned(),
        };
        if text.len() > LONGEST_REASON {
            let end = (0..=LONGEST_REASON).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

/// An answer, and the delivery's task at the receiver's, if it has one.
#[derive(Clone, Debug)]
pub(super) struct Told(pub(super) Answer, pub(super) Option<TaskId>);

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let Self(answer, task) = self;
        let mut headers = HeaderMap::new();
        if let Some(task) = task.and_then(|task| HeaderValue::try_from(task.to_string()).ok()) {
            headers.insert(TASK, task);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if let Some(word) = answer.word() {
            headers.insert(OUTCOME, HeaderValue::from_static(word));
        }
        match &answer {
            // Whole seconds, and never sooner than asked.
            Answer::Again { wait: Some(wait), .. } => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Answer::Unavailable(_) => drop(headers.insert(RETRY_AFTER, HeaderValue::from(1))),
            _ => {}
        }
        (answer.status(), headers, answer.text()).into_response()
    }
}
