//! `delay show`: all that is known of one task.

use clap::Args;
use serde::Serialize;

use super::complaint::Complaint;
use super::document::{TaskDocument, options};
use super::exit::Exit;
use super::options::retry_text;
use super::output::Output;
use super::table::pairs;
use super::text::{full, plain};
use super::{access, ids};
use crate::clock::Clock;
use crate::codec::{Invocation, describe};
use crate::schemes::Look;
use crate::store::{TaskRecord, WorkerId};
use crate::time::Timestamp;

#[derive(Clone, Debug, Args)]
pub(super) struct ShowArgs {
    /// The task's id
    id: String,
}

#[derive(Debug, Serialize)]
struct Document {
    task: TaskDocument,
}

impl ShowArgs {
    pub(super) async fn run(&self, url: &str, output: &Output) -> Result<(), Complaint> {
        let id = ids::id(&self.id)?;
        let store = access::look(url).await?;
        let found = store.get(vec![id]).await.map_err(Complaint::failed)?.pop().flatten();
        let record = found.ok_or_else(|| {
            let message = format!("there is no task {id}");
            Complaint::new(Exit::Failed, message)
                .help("it was deleted, or was not kept any longer, or is in another store")
        })?;
        let worker = match record.worker {
            Some(worker) => Some(worker_text(worker, &*store).await?),
            None => None,
        };
        let text = pairs(&rows(&record, worker, Clock::System.now()));
        output.answer(&Document { task: record.into() }, || text)
    }
}

async fn worker_text(worker: WorkerId, store: &Look) -> Result<String, Complaint> {
    let workers = store.workers().await.map_err(Complaint::failed)?;
    let name = workers.into_iter().find(|record| record.id == worker).map(|record| record.name);
    Ok(format!(
        "{} ({})",
        worker.0,
        name.map_or_else(|| "not known any more".to_owned(), |name| plain(&name))
    ))
}

fn rows(record: &TaskRecord, worker: Option<String>, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut rows = vec![("task", record.id.to_string())];
    match Invocation::parse(&record.payload) {
        Ok(invocation) => {
            rows.push(("function", plain(invocation.function)));
            rows.push(("arguments", describe(invocation.arguments)));
        }
        Err(error) => {
            rows.push(("payload", format!("{}\n{}", describe(&record.payload), plain(&error.to_string()))))
        }
    }
    rows.push(("state", record.state.to_string()));
    let mut add = |name, value: Option<String>| rows.extend(value.map(|value| (name, value)));
    add("hold", record.hold.map(|hold| hold.as_str().to_owned()));
    add("error", record.error.as_deref().map(plain));
    add("result", record.result.as_deref().map(describe));
    add("queue", Some(record.queue.clone()));
    add("name", record.name.clone());
    add("tag", record.tag.as_deref().map(plain));
    add("priority", Some(record.priority.to_string()));
    add("attempt", Some(record.attempt.to_string()));
    add("crashes", (record.crashes > 0).then(|| record.crashes.to_string()));
    add("worker", worker);
    add("created", Some(full(record.created, now)));
    add("eta", Some(full(record.eta, now)));
    add("finished", record.finished.map(|time| full(time, now)));
    match options(record) {
        Ok(options) => {
            for (name, value) in &options.headers {
                add("header", Some(plain(&format!("{name}: {value}"))));
            }
            add("retry", options.retry.as_ref().map(retry_text));
            add("timeout", options.timeout.map(|limit| humantime::format_duration(limit).to_string()));
        }
        Err(error) => add("options", Some(format!("cannot be read: {}", plain(&error)))),
    }
    rows
}
