//! `delay workers`: who serves the store, and who has fallen silent.

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde::Serialize;

use super::access;
use super::complaint::Complaint;
use super::output::Output;
use super::table::{Column, table};
use super::text::{relative, short};
use super::walk::{Choice, walk};
use crate::clock::Clock;
use crate::schemes::Look;
use crate::store::{Filter, WorkerId, WorkerRecord};
use crate::task::TaskState;
use crate::time::Timestamp;

#[derive(Debug, Serialize)]
struct Document {
    workers: Vec<WorkerDocument>,
}

#[derive(Debug, Serialize)]
struct WorkerDocument {
    id: String,
    name: String,
    /// Whether its lease holds, by this machine's clock.
    alive: bool,
    enlisted: String,
    lease_until: String,
    /// Tasks that it holds.
    running: u64,
    functions: Vec<String>,
}

/// Whether a worker's lease holds.
pub(super) fn is_alive(worker: &WorkerRecord, now: Timestamp) -> bool {
    worker.lease_until >= now
}

pub(super) async fn run(url: &str, output: &Output) -> Result<(), Complaint> {
    let store = access::look(url).await?;
    let mut workers = store.workers().await.map_err(Complaint::failed)?;
    workers.sort_unstable_by_key(|worker| worker.id);
    let running = running(&*store).await?;
    let of = |worker: &WorkerRecord| running.get(&worker.id).copied().unwrap_or(0);
    let now = Clock::System.now();
    let documents = workers.iter().map(|worker| WorkerDocument {
        id: worker.id.0.to_string(),
        name: worker.name.clone(),
        alive: is_alive(worker, now),
        enlisted: worker.enlisted.to_string(),
        lease_until: worker.lease_until.to_string(),
        running: of(worker),
        functions: worker.functions.clone(),
    });
    output.answer(&Document { workers: documents.collect() }, || {
        use Column::{Cut, Whole};
        let columns = [
            Whole("ID"),
            Cut("NAME"),
            Whole("ENLISTED"),
            Whole("LEASE"),
            Whole("RUNNING"),
            Whole("FUNCTIONS"),
        ];
        let rows = workers.iter().map(|worker| {
            let end = if is_alive(worker, now) { "ends" } else { "ended" };
            vec![
                worker.id.0.to_string(),
                short(&worker.name, 100),
                relative(worker.enlisted, now),
                format!("{end} {}", relative(worker.lease_until, now)),
                of(worker).to_string(),
                worker.functions.len().to_string(),
            ]
        });
        table(&columns, rows.collect(), output.width())
    })
}

/// How many tasks each worker holds.
async fn running(store: &Look) -> Result<HashMap<WorkerId, u64>, Complaint> {
    let mut running = HashMap::new();
    let filter = Filter { state: Some(TaskState::Running), limit: usize::MAX, ..Filter::default() };
    let count = |record: crate::store::TaskRecord| {
        if let Some(worker) = record.worker {
            *running.entry(worker).or_default() += 1;
        }
        ControlFlow::Continue(())
    };
    walk(store, Choice { filter, function: None }, count).await.map_err(Complaint::failed)?;
    Ok(running)
}
