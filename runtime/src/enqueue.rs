//! What tasks can be added with, one at a time or many at once.

use std::collections::HashSet;
use std::future::Future;

use crate::client::{Added, Client};
use crate::draft::Draft;
use crate::error::{Error, Kind, Result};
use crate::handle::Handle;
use crate::id::TaskId;
use crate::store::Pushed;

/// What tasks can be added with: a `&Runtime`, a `&Client`, a `&Context` inside a delayed function, or a user's open
/// database transaction, in which case the tasks exist if and only if that commits (G7).
pub trait Enqueue: Sized {
    /// Adds what stubs have drafted, all or none. Called by the stubs; use [`add_all`](Self::add_all).
    ///
    /// # Errors
    /// The first draft that cannot be added at all (too large, a bad name, …): then none is.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the tasks added; adding the same builders again is not possible, adding new ones
    /// adds new tasks, unless they have names.
    fn enqueue(self, drafts: Vec<Draft>) -> impl Future<Output = Result<Added>>;

    /// Adds many tasks in one round trip. The results are aligned with `tasks`: a name that is taken is that task's
    /// own error, and the others are added.
    ///
    /// ```
    /// # use delay::Context;
    /// # #[delay::func("add-all-example")]
    /// # async fn square(_ctx: &Context, x: u64) {}
    /// use delay::Enqueue as _;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> delay::Result<()> {
    /// # let client = delay::Client::open("memory:").await?;
    /// let added = client.add_all((0..1000).map(Square::task)).await?;
    /// assert_eq!(added.len(), 1000);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue), and if two tasks of the batch have one name.
    ///
    /// # Cancel safety
    /// As [`enqueue`](Self::enqueue).
    fn add_all<D: Drafted>(
        self,
        tasks: impl IntoIterator<Item = D>,
    ) -> impl Future<Output = Result<Vec<Result<Handle<D::Value>>>>> {
        let drafts: Vec<Draft> = tasks.into_iter().map(D::into_draft).collect();
        async {
            check_names(&drafts)?;
            let names: Vec<Option<String>> =
                drafts.iter().map(|draft| draft.name().map(str::to_owned)).collect();
            let ids: Vec<TaskId> = drafts.iter().map(Draft::id).collect();
            if drafts.is_empty() {
                return Ok(Vec::new());
            }
            let added = self.enqueue(drafts).await?;
            let handles = ids.into_iter().zip(names).zip(&added.pushed);
            Ok(handles.map(|((id, name), pushed)| added.handle(id, name.as_deref(), *pushed)).collect())
        }
    }
}

/// What can be added: a [`TaskBuilder`](crate::TaskBuilder).
pub trait Drafted {
    /// What a handle on it gives.
    type Value;

    /// The task, not yet checked.
    fn into_draft(self) -> Draft;
}

impl Added {
    pub(crate) fn handle<T>(&self, id: TaskId, name: Option<&str>, pushed: Pushed) -> Result<Handle<T>> {
        match pushed {
            Pushed::Added => Ok(Handle::new(id, self.client.clone())),
            Pushed::NameTaken(holder) => Err(Error::about(
                Kind::AlreadyAdded,
                holder,
                format!(
                    "a task named `{}` is pending or was not long ago: it is {holder}, and nothing was added",
                    name.unwrap_or_default()
                ),
            )),
        }
    }
}

pub(crate) fn check_names(drafts: &[Draft]) -> Result<()> {
    let mut seen = HashSet::new();
    for draft in drafts {
        if let Some(name) = draft.name()
            && !seen.insert((draft.queue(), name))
        {
            let text = format!("two tasks of this batch are named `{name}`: nothing was added");
            return Err(Error::new(Kind::DuplicateName, text));
        }
    }
    Ok(())
}

impl Enqueue for &Client {
    async fn enqueue(self, drafts: Vec<Draft>) -> Result<Added> {
        self.push(drafts).await
    }
}
