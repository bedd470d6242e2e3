//! Going over all tasks that a filter lets through, page by page: a store may hold more than fits into memory.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::schemes::Look;
use crate::store::{Filter, TaskRecord};

/// How many tasks are asked for at a time. Payloads come with them, of 1 MiB at most unless configured otherwise.
pub(super) const PAGE: usize = 200;

/// Shows `visit` the tasks that `filter` lets through, in its order and up to its limit.
pub(super) async fn walk(
    store: &Look,
    mut filter: Filter,
    mut visit: impl FnMut(TaskRecord) -> ControlFlow<()> + Send,
) -> Result<()> {
    let mut left = filter.limit;
    while left > 0 {
        filter.limit = left.min(PAGE);
        let page = store.list(filter.clone()).await?;
        left -= page.len().min(left);
        let full = page.len() == filter.limit;
        filter.beyond = page.last().map(|record| record.id);
        for record in page {
            if visit(record).is_break() {
                return Ok(());
            }
        }
        if !full {
            break;
        }
    }
    Ok(())
}
