//! `delay queues`: how many tasks of each queue are in each state, and what the queue's configuration says; and the
//! commands that change that.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::access;
use super::complaint::Complaint;
use super::output::Output;
use super::table::{Column, table};
use crate::queues::QueueConfig;
use crate::task::TaskState;

mod change;
mod document;

use change::{ApplyArgs, NameArgs, Switch};
use document::ConfigDocument;

#[derive(Clone, Debug, Args)]
pub(super) struct QueuesArgs {
    #[command(subcommand)]
    command: Option<QueuesCommand>,
}

#[derive(Clone, Debug, Subcommand)]
enum QueuesCommand {
    /// Makes the queues those of a file: `queue.yaml` or `delay.toml`
    Apply(ApplyArgs),
    /// Stops a queue: nothing of it begins until it is resumed, and its tasks stay
    Pause(NameArgs),
    /// Lets a queue go on that was paused or stopped
    Resume(NameArgs),
}

impl QueuesArgs {
    pub(super) async fn run(&self, url: &str, output: &Output) -> Result<(), Complaint> {
        match &self.command {
            None => list(url, output).await,
            Some(QueuesCommand::Apply(args)) => args.run(url, output).await,
            Some(QueuesCommand::Pause(args)) => args.run(Switch::Pause, url, output).await,
            Some(QueuesCommand::Resume(args)) => args.run(Switch::Resume, url, output).await,
        }
    }
}

#[derive(Debug, Serialize)]
struct Document {
    queues: Vec<QueueDocument>,
}

#[derive(Debug, Serialize)]
struct QueueDocument {
    queue: String,
    #[serde(flatten)]
    states: StateCounts,
    total: u64,
    /// What it is configured to, if it is.
    config: Option<ConfigDocument>,
}

/// A count for each state, also where it is 0.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct StateCounts {
    ready: u64,
    scheduled: u64,
    running: u64,
    held: u64,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
}

impl StateCounts {
    fn of(&mut self, state: TaskState) -> &mut u64 {
        match state {
            TaskState::Ready => &mut self.ready,
            TaskState::Scheduled => &mut self.scheduled,
            TaskState::Running => &mut self.running,
            TaskState::Held => &mut self.held,
            TaskState::Succeeded => &mut self.succeeded,
            TaskState::Failed => &mut self.failed,
            TaskState::Cancelled => &mut self.cancelled,
        }
    }
}

async fn list(url: &str, output: &Output) -> Result<(), Complaint> {
    let store = access::look(url).await?;
    let mut by_queue: BTreeMap<String, (StateCounts, Option<QueueConfig>)> = BTreeMap::new();
    for config in store.queue_configs().await.map_err(Complaint::failed)? {
        let name = config.name.clone();
        by_queue.entry(name).or_default().1 = Some(config);
    }
    for count in store.counts().await.map_err(Complaint::failed)? {
        *by_queue.entry(count.queue).or_default().0.of(count.state) += count.tasks;
    }
    let queues = by_queue.iter().map(|(queue, (states, config))| {
        let mut states = *states;
        let total = TaskState::ALL.into_iter().map(|state| *states.of(state)).sum();
        QueueDocument {
            queue: queue.clone(),
            states,
            total,
            config: config.as_ref().map(ConfigDocument::from),
        }
    });
    let document = Document { queues: queues.collect() };
    output.answer(&document, || {
        use Column::{Cut, Whole};
        let columns = [
            Cut("QUEUE"),
            Whole("READY"),
            Whole("SCHEDULED"),
            Whole("RUNNING"),
            Whole("HELD"),
            Whole("SUCCEEDED"),
            Whole("FAILED"),
            Whole("CANCELLED"),
            Whole("TOTAL"),
            Cut("CONFIGURATION"),
        ];
        let rows = by_queue.iter().zip(&document.queues).map(|((_, (_, config)), queue)| {
            let mut states = queue.states;
            let counts = TaskState::ALL.into_iter().map(|state| states.of(state).to_string());
            let config = config.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            let mut row = vec![queue.queue.clone()];
            row.extend(counts.chain([queue.total.to_string(), config]));
            row
        });
        table(&columns, rows.collect(), output.width())
    })
}
