//! `delay retry`, `suspend`, `resume`, `cancel`, `delete`: what operators do to tasks, chosen by id or by filter.
//!
//! Nothing is deleted and no filter acted upon without `--yes` or a yes. What a filter has chosen is looked at again
//! before it is acted upon: while the question stood, a failed task may have been retried by somebody else.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::complaint::Complaint;
use super::confirm::confirm;
use super::exit::Exit;
use super::filter::FilterArgs;
use super::output::Output;
use super::table::{Column, table};
use super::text::count;
use super::walk::{Choice, PAGE, walk};
use super::{access, ids};
use crate::error::Result as StoreResult;
use crate::store::{Acted, Action, Store};
use crate::task::{TaskId, TaskState};

#[derive(Clone, Debug, Args)]
pub(super) struct ActArgs {
    /// The tasks' ids; `-` reads them from standard input, one per line
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Every task that the filters let through, instead of ids; needs `--state`
    #[arg(long, requires = "state")]
    all: bool,
    /// Does it without asking
    #[arg(long, short = 'y')]
    yes: bool,
}

#[derive(Debug, Serialize)]
struct Document {
    action: &'static str,
    /// In the order in which they were named or found.
    tasks: Vec<OutcomeDocument>,
    done: usize,
    refused: usize,
}

#[derive(Debug, Serialize)]
struct OutcomeDocument {
    id: String,
    /// `done`, `asked` (the worker that runs it), `unknown`, or `wrong_state`.
    outcome: &'static str,
    /// The state that is in the way.
    state: Option<&'static str>,
}

/// What became of each task, and what ended the work early, if something did.
struct Work {
    outcomes: Vec<(TaskId, Acted)>,
    failure: Option<crate::Error>,
}

impl ActArgs {
    pub(super) async fn run(&self, action: Action, url: &str, output: &Output) -> Result<(), Complaint> {
        if !self.all && !self.filter.is_empty() {
            let message = "the filters choose tasks only together with `--all`";
            return Err(Complaint::usage(message).help("name ids, or add `--all`"));
        }
        let ids = ids::ids(&self.ids)?;
        let store = access::open(url).await?;
        let done = self.work(action, ids, &store).await;
        // Closed whatever happened, so that no file is left beside the store.
        let closed = store.close().await.map_err(Complaint::failed);
        let work = done?;
        closed.and(report(action, work, output))
    }

    async fn work(
        &self,
        action: Action,
        mut ids: Vec<TaskId>,
        store: &Arc<dyn Store>,
    ) -> Result<Work, Complaint> {
        let mut state = None;
        if self.all {
            let choice = self.filter.resolve(&**store).await?;
            ids = choose(store, choice).await.map_err(Complaint::failed)?;
            state = self.filter.state;
        }
        if (self.all || action == Action::Delete) && !self.yes && !ids.is_empty() {
            confirm(&self.question(action, ids.len()))?;
        }
        let mut work = Work { outcomes: Vec::with_capacity(ids.len()), failure: None };
        for page in ids.chunks(PAGE) {
            match act(store, action, page, state).await {
                Ok(acted) => work.outcomes.extend(page.iter().copied().zip(acted)),
                Err(error) => {
                    work.failure = Some(error);
                    break;
                }
            }
        }
        Ok(work)
    }

    fn question(&self, action: Action, tasks: usize) -> String {
        let what = match self.filter.state {
            Some(state) if self.all => count(tasks, &format!("{state} task")),
            _ => count(tasks, "task"),
        };
        match action {
            Action::Retry => format!("Retry {what}?"),
            Action::Release => format!("Resume {what}?"),
            Action::Suspend => format!("Suspend {what}?"),
            Action::Cancel => format!("Cancel {what}?"),
            Action::Delete => format!("Delete {what} with all that is known of them?"),
        }
    }
}

async fn choose(store: &Arc<dyn Store>, mut choice: Choice) -> StoreResult<Vec<TaskId>> {
    let mut ids = Vec::new();
    let keep = |record: crate::store::TaskRecord| {
        ids.push(record.id);
        ControlFlow::Continue(())
    };
    choice.filter.limit = usize::MAX;
    walk(&**store, choice, keep).await?;
    Ok(ids)
}

/// Acts on a page of tasks; on those that a filter has chosen only if they are still in that state.
async fn act(
    store: &Arc<dyn Store>,
    action: Action,
    page: &[TaskId],
    state: Option<TaskState>,
) -> StoreResult<Vec<Acted>> {
    let Some(state) = state else {
        return store.act(action, page.to_vec()).await;
    };
    let mut acted: HashMap<TaskId, Acted> = HashMap::new();
    for (id, record) in page.iter().zip(store.get(page.to_vec()).await?) {
        match record {
            None => drop(acted.insert(*id, Acted::Unknown)),
            Some(record) if record.state != state => drop(acted.insert(*id, Acted::Wrong(record.state))),
            Some(_) => {}
        }
    }
    let unchanged: Vec<TaskId> = page.iter().copied().filter(|id| !acted.contains_key(id)).collect();
    let outcomes = store.act(action, unchanged.clone()).await?;
    acted.extend(unchanged.into_iter().zip(outcomes));
    Ok(page.iter().map(|id| acted.get(id).copied().unwrap_or(Acted::Unknown)).collect())
}

fn report(action: Action, work: Work, output: &Output) -> Result<(), Complaint> {
    let tasks: Vec<OutcomeDocument> = work.outcomes.iter().map(OutcomeDocument::from).collect();
    let is_refused = |acted: &Acted| matches!(acted, Acted::Unknown | Acted::Wrong(_));
    let refused = work.outcomes.iter().filter(|(_, acted)| is_refused(acted)).count();
    let all = tasks.len();
    let (name, past) = match action {
        Action::Retry => ("retry", "retried"),
        Action::Release => ("resume", "resumed"),
        Action::Suspend => ("suspend", "suspended"),
        Action::Cancel => ("cancel", "cancelled"),
        Action::Delete => ("delete", "deleted"),
    };
    let document = Document { action: name, tasks, done: all - refused, refused };
    output.answer(&document, || {
        let rows = work.outcomes.iter().map(|(id, acted)| vec![id.to_string(), told(*acted, past)]);
        let columns = [Column::Whole("ID"), Column::Whole("OUTCOME")];
        if all == 0 { String::new() } else { table(&columns, rows.collect(), output.width()) }
    })?;
    if let Some(error) = work.failure {
        return Err(
            Complaint::failed(error).help(format!("{} done before that are done", count(all, "task")))
        );
    }
    if all == 0 {
        output.note(&format!("no task was {past}: there is none that the filters let through"));
    }
    if refused == 0 {
        return Ok(());
    }
    let complaint =
        Complaint::new(Exit::Failed, format!("{refused} of {} could not be {past}", count(all, "task")));
    let by_state = work.outcomes.iter().any(|(_, acted)| matches!(acted, Acted::Wrong(_)));
    Err(if by_state { complaint.help(advice(action)) } else { complaint })
}

fn told(acted: Acted, past: &str) -> String {
    match acted {
        Acted::Done => past.to_owned(),
        Acted::Asked => "its worker was asked".to_owned(),
        Acted::Unknown => "there is no such task".to_owned(),
        Acted::Wrong(TaskState::Running) => "refused: it is running".to_owned(),
        Acted::Wrong(state) => format!("refused: its state is {state}"),
    }
}

fn advice(action: Action) -> &'static str {
    match action {
        Action::Retry => "only held, failed, cancelled and scheduled tasks can be retried",
        Action::Release => "only held tasks can be resumed",
        Action::Suspend => "only ready and running tasks can be suspended",
        Action::Cancel => "only ready, scheduled, held and running tasks can be cancelled",
        Action::Delete => "a running task can be deleted once it was cancelled",
    }
}

impl From<&(TaskId, Acted)> for OutcomeDocument {
    fn from((id, acted): &(TaskId, Acted)) -> Self {
        let (outcome, state) = match acted {
            Acted::Done => ("done", None),
            Acted::Asked => ("asked", None),
            Acted::Unknown => ("unknown", None),
            Acted::Wrong(state) => ("wrong_state", Some(state.as_str())),
        };
        Self { id: id.to_string(), outcome, state }
    }
}
