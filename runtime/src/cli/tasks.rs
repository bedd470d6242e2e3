//! `delay tasks`: a line per task.

use std::ops::ControlFlow;

use clap::Args;
use serde::Serialize;

use super::access;
use super::complaint::Complaint;
use super::document::TaskDocument;
use super::filter::FilterArgs;
use super::output::Output;
use super::resolve::function_of;
use super::table::{Column, table};
use super::text::{count, relative, short, span};
use super::walk::walk;
use crate::clock::Clock;
use crate::store::{Order, TaskRecord};
use crate::time::Timestamp;

/// How much of an error a line shows.
const ERROR: usize = 60;

#[derive(Clone, Debug, Args)]
pub(super) struct TasksArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// The most tasks that are listed
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// From the oldest on
    #[arg(long)]
    oldest: bool,
    /// From the newest on, as without it
    #[arg(long, conflicts_with = "oldest")]
    newest: bool,
}

#[derive(Debug, Serialize)]
struct Document {
    tasks: Vec<TaskDocument>,
    /// Whether the limit has left some out.
    more: bool,
}

impl TasksArgs {
    pub(super) async fn run(&self, url: &str, output: &Output) -> Result<(), Complaint> {
        let store = access::look(url).await?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX - 1);
        let mut choice = self.filter.resolve(&*store).await?;
        choice.filter.order = if self.oldest { Order::OldestFirst } else { Order::NewestFirst };
        // One more than is shown tells whether there are more.
        choice.filter.limit = limit + 1;
        let mut records = Vec::new();
        let keep = |record| {
            records.push(record);
            ControlFlow::Continue(())
        };
        walk(&*store, choice, keep).await.map_err(Complaint::failed)?;
        let more = records.len() > limit;
        records.truncate(limit);
        let now = Clock::System.now();
        let shown = records.len();
        let rows: Vec<Vec<String>> = records.iter().map(|record| row(record, now)).collect();
        let tasks = records.into_iter().map(TaskDocument::from).collect();
        output.answer(&Document { tasks, more }, || {
            use Column::{Cut, Whole};
            let columns = [
                Whole("ID"),
                Whole("STATE"),
                Whole("QUEUE"),
                Cut("FUNCTION"),
                Cut("NAME"),
                Whole("AGE"),
                Whole("ATTEMPT"),
                Whole("ETA"),
                Cut("ERROR"),
            ];
            table(&columns, rows, output.width())
        })?;
        if more {
            let tasks = count(shown, "task");
            output.note(&format!("{tasks} shown, and there are more: `--limit` sets how many"));
        }
        Ok(())
    }
}

fn row(record: &TaskRecord, now: Timestamp) -> Vec<String> {
    let dash = || "-".to_owned();
    vec![
        record.id.to_string(),
        record.state.to_string(),
        record.queue.clone(),
        function_of(record).map_or_else(dash, |function| short(function, 200)),
        record.name.clone().unwrap_or_else(dash),
        span(now.since(record.created)),
        record.attempt.to_string(),
        if record.state.is_finished() { dash() } else { relative(record.eta, now) },
        record.error.as_deref().map_or_else(dash, |error| short(error, ERROR)),
    ]
}
