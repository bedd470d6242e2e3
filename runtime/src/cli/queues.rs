//! `delay queues`: how many tasks of each queue are in each state.

use std::collections::BTreeMap;

use serde::Serialize;

use super::access;
use super::complaint::Complaint;
use super::output::Output;
use super::table::{Column, table};
use crate::task::TaskState;

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

pub(super) async fn run(url: &str, output: &Output) -> Result<(), Complaint> {
    let store = access::look(url).await?;
    let mut by_queue: BTreeMap<String, StateCounts> = BTreeMap::new();
    for count in store.counts().await.map_err(Complaint::failed)? {
        *by_queue.entry(count.queue).or_default().of(count.state) += count.tasks;
    }
    let queues = by_queue.into_iter().map(|(queue, mut states)| {
        let total = TaskState::ALL.into_iter().map(|state| *states.of(state)).sum();
        QueueDocument { queue, states, total }
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
        ];
        let rows = document.queues.iter().map(|queue| {
            let mut states = queue.states;
            let counts = TaskState::ALL.into_iter().map(|state| states.of(state).to_string());
            let mut row = vec![queue.queue.clone()];
            row.extend(counts.chain([queue.total.to_string()]));
            row
        });
        table(&columns, rows.collect(), output.width())
    })
}
