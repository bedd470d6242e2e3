//! The options that choose tasks, the same for every command.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::complaint::Complaint;
use super::resolve::resolve;
use super::walk::Choice;
use crate::schemes::Look;
use crate::store::Filter;
use crate::task::TaskState;

/// Which tasks; every option that is given narrows the choice.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct FilterArgs {
    /// Only tasks in this state
    #[arg(long, value_parser = states())]
    pub(super) state: Option<TaskState>,
    /// Only tasks of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only tasks of this function: its identity, its key, or a part that no other function has
    #[arg(long)]
    function: Option<String>,
    /// Only the task of this name
    #[arg(long)]
    name: Option<String>,
}

fn states() -> impl TypedValueParser<Value = TaskState> {
    PossibleValuesParser::new(TaskState::ALL.map(TaskState::as_str))
        .try_map(|state| state.parse::<TaskState>())
}

impl FilterArgs {
    /// Whether nothing narrows the choice.
    pub(super) fn is_empty(&self) -> bool {
        self.state.is_none() && self.queue.is_none() && self.function.is_none() && self.name.is_none()
    }

    /// The tasks that are meant, without order and limit.
    pub(super) async fn resolve(&self, store: &Look) -> Result<Choice, Complaint> {
        let filter = Filter {
            state: self.state,
            queue: self.queue.clone(),
            name: self.name.clone(),
            ..Filter::default()
        };
        let function = match &self.function {
            Some(function) => Some(resolve(function, store, &filter).await?),
            None => None,
        };
        Ok(Choice { filter, function })
    }
}
