//! What this dispatcher knows of the attempts before: the headers of App Engine tell the receiver, and the store does not
//! keep it. It is a courtesy, so it is bounded, and gone with the process.

use std::collections::HashMap;

use crate::id::TaskId;

/// More tasks than this in a retry at once are not told about their past.
const MOST: usize = 10_000;

/// The attempts so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// The status of the last reply.
    pub(super) status: Option<u16>,
    /// Attempts that found nobody.
    pub(super) unserved: u32,
}

#[derive(Debug, Default)]
pub(super) struct Pasts(HashMap<TaskId, Past>);

impl Pasts {
    pub(super) fn of(&self, task: TaskId) -> Past {
        self.0.get(&task).cloned().unwrap_or_default()
    }

    /// An attempt has failed; `served` says whether the target was there for it.
    pub(super) fn failed(&mut self, task: TaskId, status: Option<u16>, served: bool) {
        if self.0.len() >= MOST && !self.0.contains_key(&task) {
            return;
        }
        let past = self.0.entry(task).or_default();
        past.status = status.or(past.status);
        past.unserved += u32::from(!served);
    }

    /// The task will not be sent again, as far as this dispatcher knows.
    pub(super) fn ended(&mut self, task: TaskId) {
        self.0.remove(&task);
    }
}
