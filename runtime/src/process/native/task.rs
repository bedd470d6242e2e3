//! A delayed function in a process of its own: the host's half of it.
//!
//! Owns the executor that a runtime keeps for its functions, and the way from a claimed task through a process to an
//! outcome. What runs in the process is in `task/child`; what the two say to each other in `task/word`.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Mutex;

use super::cause::Cause;
use super::console;
use super::entry::Image;
use super::executor::{Config, Executor};
use super::factory::Factory;
use super::isolation::Isolation;
use super::policy::ProcessPolicy;
use super::pool::Pool;
use super::process::{Process, Served};
use super::roll::{self, Listed};
use super::service::Services;
use crate::client::Client;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::outcome::Outcome;
use crate::process::trap::Trap;
use crate::registry::{Isolate, Registration};
use crate::stopper::Stopper;
use service::TaskService;
use word::Assignment;

mod body;
mod child;
mod link;
mod remote;
mod service;
mod trace;
mod word;

/// What the entry of delayed functions is called.
const ENTRY: &str = "delay.task";

/// How many processes are ready before they are wanted.
const PREPARED: usize = 2;

/// Runs delayed functions in processes.
pub(crate) struct Apart {
    stopper: Stopper,
    isolation: Isolation,
    /// Started when it is needed, and anew when its container has died.
    pool: Mutex<Option<Arc<Pool>>>,
}

/// A call that is to run apart.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) registration: &'static Registration,
    /// Not looked into: whatever they do, they do it to the process.
    pub(crate) arguments: Vec<u8>,
    pub(crate) isolate: Isolate,
}

impl Apart {
    pub(crate) fn new(stopper: Stopper, isolation: Isolation) -> Self {
        Self { stopper, isolation, pool: Mutex::new(None) }
    }

    /// Makes sure that there is an executor: what the machine refuses is told here.
    ///
    /// # Errors
    /// As [`Executor::start`].
    pub(crate) async fn start(&self) -> Result<Arc<Pool>> {
        // Whoever comes while a container starts waits for that one. The lock is Tokio's, made to be held so.
        let mut pool = self.pool.lock().await;
        if let Some(pool) = pool.as_ref().filter(|pool| !pool.is_dead()) {
            return Ok(Arc::clone(pool));
        }
        if pool.is_none() {
            console::open(&self.stopper);
        }
        let executor = Executor::start(&self.stopper, Config::default().isolation(self.isolation)).await?;
        let started = Arc::new(Pool::new(&self.stopper, Arc::new(executor), PREPARED)?);
        *pool = Some(Arc::clone(&started));
        Ok(started)
    }

    /// Runs a call to its end. `slot` is let go of when the process is reaped, also if this is dropped on the way,
    /// which kills the process.
    pub(crate) async fn run(&self, work: Work, ctx: &Context, slot: impl Send + 'static) -> Outcome {
        let process = match self.process().await {
            Ok(process) => process,
            Err(error) if error.is_stopping() => return Outcome::Interrupted,
            Err(error) => return Outcome::Died(format!("no process could be had: {}", error.chain())),
        };
        process.hold(slot);
        match serve(process, &work, ctx).await {
            Ok((_, Some(outcome))) => outcome,
            Ok((served, None)) => without_outcome(&served),
            Err(error) => Outcome::Died(error.chain()),
        }
    }

    /// A container may die between any two looks at it: a second is tried.
    async fn process(&self) -> Result<Process> {
        match self.start().await?.new_process().await {
            Err(error) if error.is_unavailable() => self.start().await?.new_process().await,
            process => process,
        }
    }
}

impl fmt::Debug for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apart").field("isolation", &self.isolation).finish_non_exhaustive()
    }
}

async fn serve(mut process: Process, work: &Work, ctx: &Context) -> Result<(Served, Option<Outcome>)> {
    let client: &Client = ctx.client();
    let mut policy = ProcessPolicy::default();
    policy.cpu_time = work.isolate.cpu;
    policy.memory = work.isolate.memory.unwrap_or(policy.memory);
    // What it may say, it may add to the store; a value and an invocation of the largest size fit in any case.
    policy.output = policy.output.max(4 * (client.limits().payload + client.limits().result) as u64);
    let assignment = Assignment::of(ctx, work, Instant::now()).map_err(|error| {
        Error::with_source(crate::error::Kind::Encode, "cannot pack a call for its process", error)
    })?;
    process.start(&Image::new(ENTRY, assignment), &policy).await?;
    let handle = process.handle();
    let _listed = roll::list(Listed {
        key: handle.key(),
        what: ctx.function().to_owned(),
        task: Some(ctx.task()),
        since: Instant::now(),
        control: Arc::new(handle.clone()),
    });
    let service = TaskService::new(client.clone(), ctx.function(), policy.output);
    let services = Services::new().with(service.clone());
    let stopping = async {
        ctx.stopping().await;
        handle.suspend();
        std::future::pending::<Infallible>().await
    };
    let served = tokio::select! {
        served = process.serve(&services) => served?,
        never = stopping => match never {},
    };
    Ok((served, service.outcome()))
}

/// The process has ended, and the function has not said how.
fn without_outcome(served: &Served) -> Outcome {
    if served.ended.trap == Trap::Suspended && matches!(served.cause, Cause::Trapped(_)) {
        return Outcome::Interrupted;
    }
    let mut text = format!("its process ended before the function did: {}", served.cause);
    // One line, without Rust's advice about backtraces, of which there are none without files.
    let words = served.last_words.lines().map(str::trim);
    let words = words.filter(|line| !line.is_empty() && !line.starts_with("note: run with"));
    let words = words.collect::<Vec<_>>().join(" / ");
    if !words.is_empty() {
        let from = words.char_indices().rev().nth(400).map_or(0, |(at, _)| at);
        text = format!("{text}; its last words: {}", &words[from..]);
    }
    Outcome::Died(text)
}

/// What a function's process may say, said by anybody: for fuzzing.
#[cfg(fuzzing)]
pub(crate) fn serve_foreign(client: Client, packets: Vec<super::packet::Packet>) {
    let services = Services::new().with(TaskService::new(client, "fuzzing", 1 << 20));
    let (sent, _outbox) = tokio::sync::mpsc::unbounded_channel();
    let key = super::key::ProcessKey { executor: 0, process: 0 };
    let mut discovered = super::service::Discovered::new(&services, key, std::time::Duration::ZERO, sent);
    let mut name = 1_u16.to_le_bytes().to_vec();
    name.push(ENTRY.len() as u8);
    name.extend(ENTRY.as_bytes());
    let domain = super::packet::Domain::Call;
    let ask = super::packet::Packet { code: super::packet::DISCOVER, domain, index: 0, content: name };
    discovered.handle(ask).expect("it is a discovery");
    for packet in packets {
        if discovered.handle(packet).is_err() {
            return;
        }
    }
    discovered.shut_down(false);
}
