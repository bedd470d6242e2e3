//! `delay queues apply`, `pause`, `resume`: what operators do to queues. Every change is told as it is made.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::access;
use super::super::complaint::Complaint;
use super::super::output::Output;
use super::document::ChangeDocument;
use crate::limits::check_queue;
use crate::queues::Change;
use crate::queues::file::{QueueFile, Remark};
use crate::store::QueueEdit;

#[derive(Clone, Debug, Args)]
pub(super) struct ApplyArgs {
    /// `queue.yaml` as App Engine read it, or `delay.toml`
    file: PathBuf,
    /// Shows what would change, and changes nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct NameArgs {
    /// The queue
    name: String,
}

/// What becomes of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    Pause,
    Resume,
}

#[derive(Debug, Serialize)]
struct Document {
    dry_run: bool,
    changes: Vec<ChangeDocument>,
    /// What the file says and what has no effect here.
    remarks: Vec<RemarkDocument>,
}

#[derive(Debug, Serialize)]
struct RemarkDocument {
    line: usize,
    column: usize,
    text: String,
}

impl ApplyArgs {
    pub(super) async fn run(&self, url: &str, output: &Output) -> Result<(), Complaint> {
        let file = QueueFile::read(&self.file).map_err(Complaint::mistaken)?;
        for Remark { line, column, text } in &file.remarks {
            output.note(&format!("{}:{line}:{column}: {text}", self.file.display()));
        }
        let edit = QueueEdit::Apply { queues: file.queues.clone(), resume: file.resume() };
        let changes = if self.dry_run {
            let store = access::look(url).await?;
            edit.changes(&store.queue_configs().await.map_err(Complaint::failed)?)
        } else {
            change(url, edit).await?
        };
        report(&changes, self.dry_run, &file.remarks, output)
    }
}

impl NameArgs {
    pub(super) async fn run(&self, switch: Switch, url: &str, output: &Output) -> Result<(), Complaint> {
        check_queue(&self.name).map_err(|error| Complaint::usage(error.to_string()))?;
        let name = self.name.clone();
        let edit = match switch {
            Switch::Pause => QueueEdit::Pause(name),
            Switch::Resume => QueueEdit::Resume(name),
        };
        let changes = change(url, edit).await?;
        report(&changes, false, &[], output)
    }
}

async fn change(url: &str, edit: QueueEdit) -> Result<Vec<Change>, Complaint> {
    let store = access::open(url).await?;
    let changes = store.configure(edit).await.map_err(Complaint::failed);
    // Closed whatever happened, so that no file is left beside the store.
    let closed = store.close().await.map_err(Complaint::failed);
    let changes = changes?;
    closed.map(|()| changes)
}

fn report(changes: &[Change], dry_run: bool, remarks: &[Remark], output: &Output) -> Result<(), Complaint> {
    let remark = |Remark { line, column, text }: &Remark| RemarkDocument {
        line: *line,
        column: *column,
        text: text.clone(),
    };
    let document = Document {
        dry_run,
        changes: changes.iter().map(ChangeDocument::from).collect(),
        remarks: remarks.iter().map(remark).collect(),
    };
    output.answer(&document, || match changes {
        [] => "nothing to change\n".to_owned(),
        changes => changes.iter().map(|change| format!("{change}\n")).collect(),
    })
}
