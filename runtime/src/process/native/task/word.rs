//! What a function's process and its host say to each other, beyond packets: values and their packing.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

use super::super::bytes::Bytes;
use super::Work;
use crate::codec;
use crate::context::Context;
use crate::failure::{BoxError, Class};
use crate::id::TaskId;
use crate::limits::{Limits, check_name, check_queue};
use crate::outcome::{Hold, Outcome};
use crate::store::{Acted, Action, Pushed, TaskRecord, WorkerId};
use crate::task::{Due, Task, TaskOptions, TaskState};
use crate::time::Timestamp;

/// What a process is to run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Assignment {
    pub(super) function: String,
    pub(super) arguments: Bytes,
    pub(super) task: [u8; 16],
    pub(super) queue: String,
    pub(super) name: Option<String>,
    pub(super) attempt: u32,
    pub(super) eta: i64,
    pub(super) headers: Vec<(String, String)>,
    /// How long until the attempt is given up.
    pub(super) deadline: Option<Duration>,
    /// Payload, result and headers.
    pub(super) limits: [usize; 3],
    /// How much of what is traced the host wants to hear: 0 for nothing, 5 for all.
    pub(super) level: u8,
}

impl Assignment {
    pub(super) fn of(ctx: &Context, work: &Work, now: Instant) -> Result<Vec<u8>, BoxError> {
        let limits = ctx.client().limits();
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        codec::to_vec(&Self {
            function: work.registration.function.to_owned(),
            arguments: Bytes(work.arguments.clone()),
            task: *ctx.task().as_bytes(),
            queue: ctx.queue().to_owned(),
            name: ctx.name().map(str::to_owned),
            attempt: ctx.attempt(),
            eta: Timestamp::from(ctx.eta()).as_micros(),
            headers: ctx.headers().iter().map(pair).collect(),
            deadline: ctx.deadline().map(|deadline| deadline.saturating_duration_since(now)),
            limits: [limits.payload, limits.result, limits.headers],
            level: LEVELS.iter().position(|level| *level == LevelFilter::current()).unwrap_or(0) as u8,
        })
        .map_err(Into::into)
    }

    pub(super) fn limits(&self) -> Limits {
        let [payload, result, headers] = self.limits;
        Limits { payload, result, headers }
    }
}

/// The levels by their numbers on the wire.
pub(super) const LEVELS: [LevelFilter; 6] = [
    LevelFilter::OFF,
    LevelFilter::ERROR,
    LevelFilter::WARN,
    LevelFilter::INFO,
    LevelFilter::DEBUG,
    LevelFilter::TRACE,
];

/// What a process asks its host.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// Add these tasks.
    Push(Vec<SentTask>),
    /// What is known of these tasks?
    Get(Vec<[u8; 16]>),
    /// Do this to these tasks.
    Act(SentAction, Vec<[u8; 16]>),
    /// The function has returned, or will not be run.
    Done(SentOutcome),
}

/// What the host answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Of each task the one that has its name, if it was not added.
    Pushed(Vec<Option<[u8; 16]>>),
    Got(Vec<Option<SentRecord>>),
    /// Of each task: 0 done, 1 asked, 2 unknown, 3 and above the state that is in the way.
    Acted(Vec<u8>),
    /// It was not done.
    Refused(String),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum SentAction {
    Retry,
    Release,
    Suspend,
    Cancel,
    Delete,
}

impl From<Action> for SentAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Retry => Self::Retry,
            Action::Release => Self::Release,
            Action::Suspend => Self::Suspend,
            Action::Cancel => Self::Cancel,
            Action::Delete => Self::Delete,
        }
    }
}

impl From<SentAction> for Action {
    fn from(action: SentAction) -> Self {
        match action {
            SentAction::Retry => Self::Retry,
            SentAction::Release => Self::Release,
            SentAction::Suspend => Self::Suspend,
            SentAction::Cancel => Self::Cancel,
            SentAction::Delete => Self::Delete,
        }
    }
}

pub(super) fn acted_to_byte(acted: Acted) -> u8 {
    match acted {
        Acted::Done => 0,
        Acted::Asked => 1,
        Acted::Unknown => 2,
        Acted::Wrong(state) => 3 + state as u8,
    }
}

pub(super) fn acted_from_byte(byte: u8) -> Option<Acted> {
    Some(match byte {
        0 => Acted::Done,
        1 => Acted::Asked,
        2 => Acted::Unknown,
        state => Acted::Wrong(TaskState::from_code(i64::from(state) - 3)?),
    })
}

pub(super) fn pushed_to_id(pushed: Pushed) -> Option<[u8; 16]> {
    match pushed {
        Pushed::Added => None,
        Pushed::NameTaken(id) => Some(*id.as_bytes()),
    }
}

/// A task on its way to the store.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SentTask {
    id: [u8; 16],
    queue: String,
    name: Option<String>,
    due: SentDue,
    priority: i16,
    tag: Option<String>,
    options: Option<Bytes>,
    payload: Bytes,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum SentDue {
    Now,
    In(Duration),
    At(i64),
}

impl From<Task> for SentTask {
    fn from(task: Task) -> Self {
        Self {
            id: *task.id.as_bytes(),
            queue: task.queue.into_owned(),
            name: task.name,
            due: match task.due {
                Due::Now => SentDue::Now,
                Due::In(wait) => SentDue::In(wait),
                Due::At(time) => SentDue::At(time.as_micros()),
            },
            priority: task.priority,
            tag: task.tag,
            options: task.options.map(Bytes),
            payload: Bytes(task.payload),
        }
    }
}

impl SentTask {
    /// The task, if it may go in: its process is not believed that it has looked.
    pub(super) fn check(self, limits: &Limits) -> Result<Task, String> {
        check_queue(&self.queue).map_err(|error| error.to_string())?;
        self.name.as_deref().map_or(Ok(()), check_name).map_err(|error| error.to_string())?;
        if self.payload.0.len() > limits.payload {
            return Err(format!(
                "the call takes {} bytes, {} are allowed",
                self.payload.0.len(),
                limits.payload
            ));
        }
        if self.tag.as_ref().is_some_and(|tag| tag.len() > 500) {
            return Err("a tag takes at most 500 bytes".to_owned());
        }
        if let Some(options) = &self.options {
            let options: TaskOptions = codec::from_slice(&options.0).map_err(|error| error.to_string())?;
            let headers: usize = options.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
            if headers > limits.headers {
                return Err(format!("the headers take {headers} bytes, {} are allowed", limits.headers));
            }
        }
        Ok(Task {
            id: TaskId::from_bytes(self.id),
            queue: Cow::Owned(self.queue),
            name: self.name,
            due: match self.due {
                SentDue::Now => Due::Now,
                SentDue::In(wait) => Due::In(wait),
                SentDue::At(time) => Due::At(Timestamp::from_micros(time)),
            },
            priority: self.priority,
            tag: self.tag,
            options: self.options.map(|options| options.0),
            payload: self.payload.0,
        })
    }
}

/// What a store knows of a task.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SentRecord {
    id: [u8; 16],
    queue: String,
    name: Option<String>,
    tag: Option<String>,
    state: u8,
    priority: i16,
    times: [i64; 2],
    finished: Option<i64>,
    attempt: u32,
    epoch: i64,
    crashes: u32,
    worker: Option<i64>,
    hold: Option<u8>,
    error: Option<String>,
    options: Option<Bytes>,
    payload: Bytes,
    result: Option<Bytes>,
}

impl From<TaskRecord> for SentRecord {
    fn from(record: TaskRecord) -> Self {
        Self {
            id: *record.id.as_bytes(),
            queue: record.queue,
            name: record.name,
            tag: record.tag,
            state: record.state as u8,
            priority: record.priority,
            times: [record.eta.as_micros(), record.created.as_micros()],
            finished: record.finished.map(Timestamp::as_micros),
            attempt: record.attempt,
            epoch: record.epoch,
            crashes: record.crashes,
            worker: record.worker.map(|worker| worker.0),
            hold: record.hold.map(|hold| hold as u8),
            error: record.error,
            options: record.options.map(Bytes),
            payload: Bytes(record.payload),
            result: record.result.map(Bytes),
        }
    }
}

impl SentRecord {
    pub(super) fn record(self) -> Option<TaskRecord> {
        let [eta, created] = self.times.map(Timestamp::from_micros);
        Some(TaskRecord {
            id: TaskId::from_bytes(self.id),
            queue: self.queue,
            name: self.name,
            tag: self.tag,
            state: TaskState::from_code(self.state.into())?,
            priority: self.priority,
            eta,
            attempt: self.attempt,
            epoch: self.epoch,
            crashes: self.crashes,
            created,
            finished: self.finished.map(Timestamp::from_micros),
            worker: self.worker.map(WorkerId),
            hold: self.hold.and_then(|hold| Hold::from_code(hold.into())),
            error: self.error,
            options: self.options.map(|options| options.0),
            payload: self.payload.0,
            result: self.result.map(|result| result.0),
        })
    }
}

/// What the function came to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SentOutcome {
    Succeeded(Option<Bytes>),
    Failed(SentClass, String),
    Panicked(String),
    Undecodable(String),
    /// It was not begun, because the worker stops.
    Interrupted,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum SentClass {
    Retry,
    RetryIn(Duration),
    Permanent,
    Snooze(Duration),
    Cancel,
}

impl SentOutcome {
    /// Of what a function can come to in its process; what only a host can say is a panic there.
    pub(super) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded(value) => Self::Succeeded(value.map(Bytes)),
            Outcome::Failed(class, error) => {
                let class = match class {
                    Class::Retry => SentClass::Retry,
                    Class::RetryIn(wait) => SentClass::RetryIn(wait),
                    Class::Permanent => SentClass::Permanent,
                    Class::Snooze(wait) => SentClass::Snooze(wait),
                    Class::Cancel => SentClass::Cancel,
                };
                Self::Failed(class, error)
            }
            Outcome::Panicked(error) => Self::Panicked(error),
            Outcome::Interrupted => Self::Interrupted,
            Outcome::Unrunnable(_, error) => Self::Undecodable(error),
            other => Self::Panicked(format!("an outcome that no function has: {other:?}")),
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Succeeded(value) => Outcome::Succeeded(value.map(|value| value.0)),
            Self::Failed(class, error) => {
                let class = match class {
                    SentClass::Retry => Class::Retry,
                    SentClass::RetryIn(wait) => Class::RetryIn(wait),
                    SentClass::Permanent => Class::Permanent,
                    SentClass::Snooze(wait) => Class::Snooze(wait),
                    SentClass::Cancel => Class::Cancel,
                };
                Outcome::Failed(class, error)
            }
            Self::Panicked(error) => Outcome::Panicked(error),
            Self::Undecodable(error) => Outcome::Unrunnable(Hold::Undecodable, error),
            Self::Interrupted => Outcome::Interrupted,
        }
    }
}

/// One traced event.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) level: u8,
    pub(super) target: String,
    pub(super) text: String,
}
