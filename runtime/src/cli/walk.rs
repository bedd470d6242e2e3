//! Going over all tasks that are chosen, page by page: a store may hold more than fits into memory.

use std::ops::ControlFlow;

use super::resolve::{canonical, function_of};
use crate::error::Result;
use crate::schemes::Look;
use crate::store::{Filter, TaskRecord};

/// How many tasks are asked for at a time. Payloads come with them, of 1 MiB at most unless configured otherwise.
pub(super) const PAGE: usize = 200;

/// Which tasks.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    pub(super) filter: Filter,
    /// Only calls of this function, under whatever alias. Looked for here and not by the store's `payload_prefix`, which knows payloads that
    /// this crate has written and no others.
    pub(super) function: Option<String>,
}

impl Choice {
    fn takes(&self, record: &TaskRecord) -> bool {
        let Some(function) = &self.function else { return true };
        function_of(record).is_some_and(|found| canonical(found) == function)
    }
}

/// Shows `visit` the tasks that are chosen, in the filter's order and up to its limit.
pub(super) async fn walk(
    store: &Look,
    mut choice: Choice,
    mut visit: impl FnMut(TaskRecord) -> ControlFlow<()> + Send,
) -> Result<()> {
    let mut left = choice.filter.limit;
    while left > 0 {
        choice.filter.limit = if choice.function.is_some() { PAGE } else { left.min(PAGE) };
        let page = store.list(choice.filter.clone()).await?;
        let last_page = page.len() < choice.filter.limit;
        choice.filter.beyond = page.last().map(|record| record.id);
        for record in page.into_iter().filter(|record| choice.takes(record)).take(left) {
            left -= 1;
            if visit(record).is_break() {
                return Ok(());
            }
        }
        if last_page {
            break;
        }
    }
    Ok(())
}
