//! What a host offers to the process of a delayed function: the store, in so far as a context offers it, and the log.
//!
//! The process is not trusted: what it adds is checked as if it came from outside, and what it says is limited.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::flow::{Bodies, Windows, decode_flow, encode_flow};
use super::super::packet::{Domain, Lie, Packet};
use super::super::service::{Handled, Instance, Made, Outbox, Service};
use super::ENTRY;
use super::body::Body;
use super::word::{Answer, Ask, LEVELS, Line, SentRecord, SentTask, acted_to_byte, pushed_to_id};
use crate::client::Client;
use crate::codec;
use crate::id::TaskId;
use crate::outcome::Outcome;

/// The one service of a function's process.
#[derive(Clone, Debug)]
pub(super) struct TaskService {
    client: Client,
    function: &'static str,
    /// The most bytes that are put together at once.
    most: u64,
    outcome: Arc<Mutex<Option<Outcome>>>,
}

impl TaskService {
    pub(super) fn new(client: Client, function: &'static str, most: u64) -> Self {
        Self { client, function, most, outcome: Arc::default() }
    }

    /// What the function came to, if it has said so.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Service for TaskService {
    fn name(&self) -> &str {
        ENTRY
    }

    fn create(&self, made: Made) -> Box<dyn Instance> {
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        Box::new(TaskInstance {
            service: self.clone(),
            out: made.out,
            bodies: Bodies::new(most),
            windows: Arc::default(),
        })
    }
}

struct TaskInstance {
    service: TaskService,
    out: Outbox,
    bodies: Bodies,
    windows: Arc<Windows>,
}

impl Instance for TaskInstance {
    fn handle(&mut self, packet: Packet) -> Result<Handled, Lie> {
        match packet.domain {
            Domain::Data => {
                if let Some(granted) = self.bodies.push(&packet.content)? {
                    self.out.send(Domain::Flow, 0, encode_flow(&[granted]));
                }
            }
            Domain::Flow => {
                for (stream, bytes) in decode_flow(&packet.content)? {
                    self.windows.grant(stream, usize::try_from(bytes).unwrap_or(0));
                }
            }
            Domain::Info => self.log(&packet.content)?,
            Domain::Call => {
                let ask = match Body::decode(&packet.content)? {
                    Body::Here(body) => ask(body)?,
                    Body::Stream(stream) => {
                        let body = self.bodies.take(stream);
                        ask(&body.ok_or(Lie::Content("a call names a stream that was not sent"))?)?
                    }
                };
                return Ok(self.answer(ask, packet.index));
            }
        }
        Ok(Handled::Done)
    }
}

fn ask(body: &[u8]) -> Result<Ask, Lie> {
    codec::from_slice(body).map_err(|_| Lie::Content("a call asks for what there is not"))
}

impl TaskInstance {
    fn answer(&self, ask: Ask, index: u8) -> Handled {
        if let Ask::Done(outcome) = ask {
            let mut told = self.service.outcome.lock().unwrap_or_else(PoisonError::into_inner);
            told.get_or_insert(outcome.outcome());
            return Handled::Finish;
        }
        let (client, out, windows) =
            (self.service.client.clone(), self.out.clone(), Arc::clone(&self.windows));
        Handled::Later(Box::pin(async move {
            let answer = codec::to_vec(&answer(&client, ask).await).unwrap_or_default();
            if Body::fits(&answer) {
                return Body::Here(&answer).encode();
            }
            // No call of its own has a negative stream.
            let stream = -1 - i32::from(index);
            windows.open(stream);
            out.send_stream(&windows, stream, &answer).await;
            windows.close(stream);
            // The packet takes the way of the stream, behind it.
            Body::Stream(stream).encode()
        }))
    }

    fn log(&self, content: &[u8]) -> Result<(), Lie> {
        let line: Line = codec::from_slice(content).map_err(|_| Lie::Content("not a line of the log"))?;
        let function = self.service.function;
        let (text, from) = (line.text, line.target);
        match LEVELS.get(usize::from(line.level)).and_then(|level| level.into_level()) {
            Some(tracing::Level::ERROR) => {
                tracing::error!(target: "delay::isolated", function, from, "{text}")
            }
            Some(tracing::Level::WARN) => tracing::warn!(target: "delay::isolated", function, from, "{text}"),
            Some(tracing::Level::INFO) => tracing::info!(target: "delay::isolated", function, from, "{text}"),
            Some(tracing::Level::DEBUG) => {
                tracing::debug!(target: "delay::isolated", function, from, "{text}")
            }
            _ => tracing::trace!(target: "delay::isolated", function, from, "{text}"),
        }
        Ok(())
    }
}

async fn answer(client: &Client, ask: Ask) -> Answer {
    let store = client.store();
    let ids = |ids: Vec<[u8; 16]>| ids.into_iter().map(TaskId::from_bytes).collect();
    let answer = match ask {
        Ask::Push(tasks) => {
            let checked = tasks.into_iter().map(|task: SentTask| task.check(client.limits()));
            match checked.collect::<Result<Vec<_>, _>>() {
                Err(refusal) => return Answer::Refused(refusal),
                Ok(tasks) => store
                    .push(tasks)
                    .await
                    .map(|pushed| Answer::Pushed(pushed.into_iter().map(pushed_to_id).collect())),
            }
        }
        Ask::Get(tasks) => store.get(ids(tasks)).await.map(|records| {
            Answer::Got(records.into_iter().map(|record| record.map(SentRecord::from)).collect())
        }),
        Ask::Act(action, tasks) => store
            .act(action.into(), ids(tasks))
            .await
            .map(|acted| Answer::Acted(acted.into_iter().map(acted_to_byte).collect())),
        Ask::Done(_) => return Answer::Refused("it was told before".to_owned()),
    };
    answer.unwrap_or_else(|error| Answer::Refused(error.chain()))
}
