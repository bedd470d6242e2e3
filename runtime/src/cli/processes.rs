//! `delay ps` and `delay kill`: the processes that functions run in, on this machine.
//!
//! They ask the workers themselves, by their sockets, and no store: see `process/native/console`.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Output;
use super::table::{Column, table};
use super::text::{count, short, span};
use crate::error::{Error, Kind};
use crate::process::console::{self, Answer, Ask, Shown};

#[derive(Clone, Debug, Args)]
pub(super) struct KillArgs {
    /// The processes' ids, as `delay ps` shows them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Document {
    processes: Vec<ProcessDocument>,
}

#[derive(Debug, Serialize)]
struct ProcessDocument {
    id: String,
    pid: Option<u32>,
    function: String,
    task: Option<String>,
    /// CPU time, in seconds.
    cpu: Option<f64>,
    /// Memory, in bytes.
    memory: Option<u64>,
    /// In seconds.
    age: f64,
    /// `run`, `suspend` or `kill`.
    wanted: String,
}

#[derive(Debug, Serialize)]
struct KillDocument {
    killed: Vec<String>,
    unknown: Vec<String>,
}

fn ask(ask: &Ask) -> Result<Vec<Answer>, Complaint> {
    console::ask_all(ask).map_err(|error| {
        let text = "the sockets of this machine's workers cannot be read";
        let help = format!("they are in {}, or where DELAY_RUN_DIR says", console::folder().display());
        Complaint::failed(Error::with_source(Kind::Unreadable, text, error)).help(help)
    })
}

pub(super) fn list(output: &Output) -> Result<(), Complaint> {
    let mut processes: Vec<Shown> = ask(&Ask::List)?
        .into_iter()
        .flat_map(|answer| if let Answer::Listed(shown) = answer { shown } else { Vec::new() })
        .collect();
    processes.sort_by_key(|process| std::cmp::Reverse(process.age));
    let documents = processes.iter().map(|process| ProcessDocument {
        id: process.id.clone(),
        pid: process.pid,
        function: process.what.clone(),
        task: process.task.clone(),
        cpu: process.cpu.map(|cpu| cpu.as_secs_f64()),
        memory: process.memory,
        age: process.age.as_secs_f64(),
        wanted: process.wanted.clone(),
    });
    output.answer(&Document { processes: documents.collect() }, || {
        use Column::{Cut, Whole};
        let columns = [
            Whole("ID"),
            Whole("PID"),
            Cut("FUNCTION"),
            Whole("TASK"),
            Whole("CPU"),
            Whole("MEMORY"),
            Whole("AGE"),
        ];
        let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let rows = processes.iter().map(|process| {
            vec![
                process.id.clone(),
                known(process.pid.map(|pid| pid.to_string())),
                short(&process.what, 100),
                known(process.task.clone()),
                known(process.cpu.map(brief)),
                known(process.memory.map(|bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)))),
                span(process.age),
            ]
        });
        table(&columns, rows.collect(), output.width())
    })
}

/// Hundredths of a second, as far as the system counts.
fn brief(cpu: Duration) -> String {
    format!("{:.2}s", cpu.as_secs_f64())
}

impl KillArgs {
    pub(super) fn run(&self, output: &Output) -> Result<(), Complaint> {
        let (mut killed, mut unknown) = (Vec::new(), Vec::new());
        for id in &self.ids {
            let done = ask(&Ask::Kill(id.clone()))?.iter().any(|answer| matches!(answer, Answer::Done));
            if done { &mut killed } else { &mut unknown }.push(id.clone());
        }
        let document = KillDocument { killed: killed.clone(), unknown: unknown.clone() };
        output.answer(&document, || {
            let told = |ids: &[String], what: &str| {
                ids.iter().map(|id| vec![id.clone(), what.to_owned()]).collect::<Vec<_>>()
            };
            let rows = [told(&killed, "killed"), told(&unknown, "there is no such process")].concat();
            table(&[Column::Whole("ID"), Column::Whole("OUTCOME")], rows, output.width())
        })?;
        if unknown.is_empty() {
            return Ok(());
        }
        let text = format!("{} of {} could not be killed", unknown.len(), count(self.ids.len(), "process"));
        Err(Complaint::new(Exit::Failed, text.replace("processs", "processes"))
            .help("`delay ps` shows what there is"))
    }
}
