//! A delivery as it arrives: what the request says about the sender's task, and by what it is known when it comes again.

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use sha2::{Digest as _, Sha256};

use super::auth::Admitted;
use super::signature::SIGNATURE_HEADER;
use super::task_headers::{HeaderError, TaskHeaders};
use crate::id::TaskId;
use crate::posted::{Posted, Sender};
use crate::queues::DEFAULT_QUEUE;
use crate::task::TaskOptions;

/// A delivery, let in and understood.
#[derive(Debug)]
pub(super) struct Delivery {
    /// What the sender calls the task, over all of its attempts. A delivery without is like no other.
    message: Option<String>,
    /// Which attempt of the sender's this is, if it says so; the first is 1.
    pub(super) attempt: Option<u32>,
    task: TaskId,
    said: TaskHeaders,
    headers: Vec<(String, String)>,
    pub(super) payload: Bytes,
}

impl Delivery {
    /// # Errors
    /// A header about the task cannot be read.
    pub(super) fn read(
        headers: &HeaderMap,
        admitted: &Admitted,
        payload: Bytes,
    ) -> Result<Self, HeaderError> {
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let said = TaskHeaders::read(pairs)?;
        let retries = said.task_retry_count.map(|count| u32::try_from(count).unwrap_or(u32::MAX - 1));
        let mut attempt = retries.map(|count| count + 1);
        // What is signed is believed first: the id of the message, in which our dispatchers write task and attempt.
        let ours = admitted.id.as_deref().and_then(task_and_attempt);
        let message = match (ours, &admitted.id, &said.task_name) {
            (Some((task, signed)), ..) => {
                attempt = Some(signed);
                Some(format!("task {task}"))
            }
            (None, Some(id), _) => Some(format!("message {id}")),
            (None, None, Some(name)) => {
                Some(format!("name {} {name}", said.queue_name.as_deref().unwrap_or_default()))
            }
            (None, None, None) => None,
        };
        let task = match (ours, &message) {
            (Some((task, _)), _) => task,
            (None, Some(message)) => task_of(message),
            (None, None) => TaskId::new(),
        };
        Ok(Self { message, attempt, task, said, headers: for_functions(headers), payload })
    }

    /// What is known of it, as its task's options.
    pub(super) fn options(&self, sender: Sender) -> TaskOptions {
        let queue = self.said.queue_name.clone().unwrap_or_else(|| DEFAULT_QUEUE.to_owned());
        let (name, attempt) = (self.said.task_name.clone(), self.attempt.unwrap_or(1));
        let posted = Posted::new(self.task, queue, name, attempt, sender).due(self.said.task_eta);
        TaskOptions { headers: self.headers.clone(), posted: Some(posted), ..TaskOptions::default() }
    }

    /// The bytes of all headers that a function will see.
    pub(super) fn headers_size(&self) -> usize {
        self.headers.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// The name of the `n`th task that this message led to here; the first is 0.
    pub(super) fn name(&self, n: u32) -> Option<String> {
        let message = self.message.as_ref()?;
        Some(hex(&Sha256::digest(format!("{n} {message}"))))
    }
}

/// What the id of a message says that one of our dispatchers has signed: `TASK_ATTEMPT`.
fn task_and_attempt(id: &str) -> Option<(TaskId, u32)> {
    let (task, attempt) = id.rsplit_once('_')?;
    Some((task.parse().ok()?, attempt.parse().ok().filter(|attempt| *attempt > 0)?))
}

/// An identity for a task whose sender has another kind of them: a UUID of version 8, the same for the same message.
fn task_of(message: &str) -> TaskId {
    let hash = Sha256::digest(message);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    TaskId::from_bytes(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All headers that are text, but for those that are secrets: what functions see is kept in the store.
fn for_functions(headers: &HeaderMap) -> Vec<(String, String)> {
    let secret = [AUTHORIZATION.as_str(), COOKIE.as_str(), PROXY_AUTHORIZATION.as_str(), SIGNATURE_HEADER];
    let seen = headers.iter().filter(|(name, _)| !secret.contains(&name.as_str()));
    let text = seen.filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
    text.map(|(name, value)| (name.to_string(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(id: Option<&str>, headers: &[(&'static str, &'static str)]) -> Delivery {
        let pairs = headers.iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), HeaderValue::from_static(value))
        });
        let admitted = Admitted { id: id.map(str::to_owned) };
        Delivery::read(&pairs.collect(), &admitted, Bytes::new()).unwrap()
    }

    #[test]
    fn a_task_is_the_same_in_every_attempt_and_its_signed_id_counts_first() {
        let task = TaskId::new();
        let first = read(Some(&format!("{task}_1")), &[("x-appengine-taskretrycount", "7")]);
        let second = read(Some(&format!("{task}_2")), &[]);
        assert_eq!((first.task, first.attempt), (task, Some(1)));
        assert_eq!((second.task, second.attempt), (task, Some(2)));
        assert_eq!(first.name(0), second.name(0));
        assert_ne!(first.name(0), first.name(1));
    }

    #[test]
    fn a_task_of_another_service_is_known_by_queue_and_name() {
        let headers = |queue, count| {
            [
                ("x-cloudtasks-queuename", queue),
                ("x-cloudtasks-taskname", "42"),
                ("x-cloudtasks-taskretrycount", count),
            ]
        };
        let (first, second) = (read(None, &headers("a", "0")), read(None, &headers("a", "1")));
        assert_eq!((first.task, first.attempt, second.attempt), (second.task, Some(1), Some(2)));
        assert_eq!(first.name(0), second.name(0));
        assert_ne!(first.name(0), read(None, &headers("b", "0")).name(0));
    }

    #[test]
    fn a_message_of_any_other_sender_is_known_by_its_id_and_one_without_is_like_no_other() {
        let (one, again) = (read(Some("msg_1"), &[]), read(Some("msg_1"), &[]));
        assert_eq!((one.task, one.name(0), one.attempt), (again.task, again.name(0), None));
        assert_eq!(read(None, &[]).name(0), None);
        assert_ne!(read(None, &[]).task, read(None, &[]).task);
    }

    #[test]
    fn secrets_do_not_reach_functions_nor_the_store() {
        let delivery = read(
            None,
            &[("authorization", "Bearer x"), ("cookie", "y"), ("webhook-signature", "z"), ("tenant", "acme")],
        );
        assert_eq!(delivery.headers, [("tenant".to_owned(), "acme".to_owned())]);
    }
}
