//! `delay functions`: who can run what, and what nobody can.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::Serialize;

use super::access;
use super::complaint::Complaint;
use super::options::{RetryDocument, retry_text, seconds};
use super::output::Output;
use super::resolve::{canonical, function_of};
use super::table::{Column, table};
use super::text::short;
use super::walk::{Choice, walk};
use super::workers::is_alive;
use crate::clock::Clock;
use crate::registry::{Options, Registration, Registry};
use crate::schemes::Look;
use crate::store::{Filter, TaskRecord};
use crate::task::TaskState;

#[derive(Debug, Serialize)]
struct Document {
    functions: Vec<FunctionDocument>,
}

#[derive(Debug, Serialize)]
struct FunctionDocument {
    function: String,
    /// What is known of a function that is linked into this program.
    linked: Option<LinkedDocument>,
    /// The names of living workers that announce it.
    workers: Vec<String>,
    /// How many tasks wait for it: ready, scheduled, running or held.
    waiting: u64,
}

#[derive(Debug, Serialize)]
struct LinkedDocument {
    aliases: &'static [&'static str],
    parameters: &'static [&'static str],
    states: Vec<&'static str>,
    queue: &'static str,
    priority: i16,
    /// `null`: the runtime's own policy.
    retry: Option<RetryDocument>,
    timeout: Option<f64>,
    keep_result: Option<f64>,
    /// The expressions of its schedule; empty if it is on none.
    cron: &'static [&'static str],
    time_zone: Option<&'static str>,
    /// When it is called next, by this machine's clock; `null` in a build without schedules.
    next: Option<String>,
    place: PlaceDocument,
}

#[derive(Debug, Serialize)]
struct PlaceDocument {
    package: &'static str,
    version: &'static str,
    file: &'static str,
    line: u32,
}

/// A function as it is found in several places.
#[derive(Debug, Default)]
struct Found {
    linked: Option<&'static Registration>,
    workers: Vec<String>,
    waiting: u64,
}

pub(super) async fn run(url: &str, output: &Output) -> Result<(), Complaint> {
    let registry = Registry::linked().map_err(Complaint::failed)?;
    let store = access::look(url).await?;
    let found = gather(registry, &*store).await?;
    let functions = found.iter().map(|(function, found)| FunctionDocument {
        function: function.clone(),
        linked: found.linked.map(LinkedDocument::from),
        workers: found.workers.clone(),
        waiting: found.waiting,
    });
    output.answer(&Document { functions: functions.collect() }, || {
        use Column::{Cut, Whole};
        let mut columns = vec![
            Cut("FUNCTION"),
            Whole("WORKERS"),
            Whole("WAITING"),
            Cut("PARAMETERS"),
            Whole("QUEUE"),
            Cut("RETRY"),
            Cut("PLACE"),
        ];
        let mut rows: Vec<_> = found.iter().map(|(function, found)| row(function, found)).collect();
        // Most programs have no schedule, and terminals are narrow.
        if registry.functions().iter().any(|function| !function.options.cron.is_empty()) {
            columns.extend([Whole("CRON"), Whole("NEXT")]);
            for (row, found) in rows.iter_mut().zip(found.values()) {
                row.extend(schedule(found.linked));
            }
        }
        table(&columns, rows, output.width())
    })
}

async fn gather(registry: &Registry, store: &Look) -> Result<BTreeMap<String, Found>, Complaint> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    // Tasks and workers may name a function by an alias.
    let of = |function: &str| canonical(function).to_owned();
    for linked in registry.functions() {
        found.entry(linked.function.to_owned()).or_default().linked = Some(linked);
    }
    let now = Clock::System.now();
    let workers = store.workers().await.map_err(Complaint::failed)?;
    for worker in workers.into_iter().filter(|worker| is_alive(worker, now)) {
        for function in &worker.functions {
            let names = &mut found.entry(of(function)).or_default().workers;
            if names.last() != Some(&worker.name) {
                names.push(worker.name.clone());
            }
        }
    }
    for state in TaskState::ALL.into_iter().filter(|state| !state.is_finished()) {
        let filter = Filter { state: Some(state), limit: usize::MAX, ..Filter::default() };
        let count = |record: TaskRecord| {
            if let Some(function) = function_of(&record) {
                found.entry(of(function)).or_default().waiting += 1;
            }
            ControlFlow::Continue(())
        };
        walk(store, Choice { filter, function: None }, count).await.map_err(Complaint::failed)?;
    }
    Ok(found)
}

fn row(function: &str, found: &Found) -> Vec<String> {
    let linked =
        |text: &dyn Fn(&'static Registration) -> String| found.linked.map_or_else(|| "-".to_owned(), text);
    let default = || "default".to_owned();
    vec![
        short(function, 200),
        found.workers.len().to_string(),
        found.waiting.to_string(),
        linked(&|linked| format!("({})", linked.parameters.join(", "))),
        linked(&|linked| linked.options.queue.to_owned()),
        linked(&|linked| linked.options.retry.as_ref().map_or_else(default, retry_text)),
        linked(&|linked| format!("{}:{}", linked.place.file, linked.place.line)),
    ]
}

/// Its expressions with their zone, and the next of their times.
fn schedule(linked: Option<&'static Registration>) -> [String; 2] {
    let none = || "-".to_owned();
    let Some(linked) = linked.filter(|linked| !linked.options.cron.is_empty()) else {
        return [none(), none()];
    };
    let Options { cron, time_zone, .. } = linked.options;
    [format!("{} ({time_zone})", cron.join("; ")), next(linked).unwrap_or_else(none)]
}

#[cfg(feature = "cron")]
fn next(linked: &'static Registration) -> Option<String> {
    let Options { cron, time_zone, .. } = linked.options;
    let cron = crate::cron::Cron::any_of(cron.iter().copied()).and_then(|cron| cron.time_zone(time_zone));
    let next = cron.ok()?.next_after(Clock::System.now())?;
    Some(humantime::format_rfc3339_seconds(next.into()).to_string())
}

#[cfg(not(feature = "cron"))]
fn next(_linked: &'static Registration) -> Option<String> {
    None
}

impl From<&'static Registration> for LinkedDocument {
    fn from(linked: &'static Registration) -> Self {
        let Registration { options, place, .. } = linked;
        Self {
            aliases: linked.aliases,
            parameters: linked.parameters,
            states: linked.states.iter().map(|state| state.name()).collect(),
            queue: options.queue,
            priority: options.priority,
            retry: options.retry.as_ref().map(RetryDocument::from),
            timeout: seconds(options.timeout),
            keep_result: seconds(options.keep_result),
            cron: options.cron,
            time_zone: (!options.cron.is_empty()).then_some(options.time_zone),
            next: next(linked),
            place: PlaceDocument {
                package: place.package,
                version: place.version,
                file: place.file,
                line: place.line,
            },
        }
    }
}
