//! A task as JSON: every field of the record, with what is packed inside unpacked. Written by hand and not derived from
//! the record, for programs rely on it.

use serde::Serialize;
use serde_json::value::RawValue;

use super::options::{RetryDocument, seconds};
use crate::codec::{Invocation, from_slice, to_json};
use crate::store::TaskRecord;
use crate::task::TaskOptions;

/// One task.
#[derive(Debug, Serialize)]
pub(super) struct TaskDocument {
    id: String,
    state: &'static str,
    queue: String,
    name: Option<String>,
    tag: Option<String>,
    priority: i16,
    function: Option<String>,
    /// By parameter name.
    arguments: Option<Box<RawValue>>,
    /// The payload itself, if it is no invocation.
    payload: Option<Box<RawValue>>,
    attempt: u32,
    epoch: i64,
    crashes: u32,
    created: String,
    eta: String,
    finished: Option<String>,
    worker: Option<String>,
    hold: Option<&'static str>,
    error: Option<String>,
    headers: Vec<HeaderDocument>,
    /// Of this task alone; the function's own policy is in `delay functions`.
    retry: Option<RetryDocument>,
    timeout: Option<f64>,
    /// Options that cannot be read, as they are.
    undecodable_options: Option<Box<RawValue>>,
    result: Option<Box<RawValue>>,
}

#[derive(Debug, Serialize)]
struct HeaderDocument {
    name: String,
    value: String,
}

impl From<TaskRecord> for TaskDocument {
    fn from(record: TaskRecord) -> Self {
        let invocation = Invocation::parse(&record.payload).ok();
        let (options, undecodable_options) = match options(&record) {
            Ok(options) => (options, None),
            Err(_) => (TaskOptions::default(), record.options.as_deref().and_then(raw)),
        };
        Self {
            id: record.id.to_string(),
            state: record.state.as_str(),
            name: record.name,
            tag: record.tag,
            priority: record.priority,
            function: invocation.map(|invocation| invocation.function.to_owned()),
            arguments: invocation.and_then(|invocation| raw(invocation.arguments)),
            payload: if invocation.is_some() { None } else { raw(&record.payload) },
            attempt: record.attempt,
            epoch: record.epoch,
            crashes: record.crashes,
            created: record.created.to_string(),
            eta: record.eta.to_string(),
            finished: record.finished.map(|time| time.to_string()),
            worker: record.worker.map(|worker| worker.0.to_string()),
            hold: record.hold.map(|hold| hold.as_str()),
            error: record.error,
            headers: options
                .headers
                .into_iter()
                .map(|(name, value)| HeaderDocument { name, value })
                .collect(),
            retry: options.retry.as_ref().map(RetryDocument::from),
            timeout: seconds(options.timeout),
            undecodable_options,
            result: record.result.as_deref().and_then(raw),
            queue: record.queue,
        }
    }
}

/// The options that only this task has.
pub(super) fn options(record: &TaskRecord) -> Result<TaskOptions, String> {
    match &record.options {
        Some(packed) => from_slice(packed).map_err(|error| crate::error::chain(&error)),
        None => Ok(TaskOptions::default()),
    }
}

/// Packed bytes as JSON, however deep and with all digits of their numbers: they never become a tree on the way.
fn raw(bytes: &[u8]) -> Option<Box<RawValue>> {
    RawValue::from_string(to_json(bytes)).ok()
}
