//! The processes that run delayed functions here and now: what `delay ps` shows and `delay kill` finds.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::process::ProcessHandle;
use crate::id::TaskId;

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// The function.
    pub(crate) what: String,
    pub(crate) task: Option<TaskId>,
    pub(crate) handle: ProcessHandle,
    pub(crate) since: Instant,
}

static ROLL: Mutex<Vec<Listed>> = Mutex::new(Vec::new());

/// Lists a process until what is returned is dropped.
pub(crate) fn list(listed: Listed) -> impl Drop {
    struct Unlist(ProcessHandle);
    impl Drop for Unlist {
        fn drop(&mut self) {
            let key = self.0.key();
            roll().retain(|listed| listed.handle.key() != key);
        }
    }
    let unlist = Unlist(listed.handle.clone());
    roll().push(listed);
    unlist
}

/// All of them, the oldest first.
pub(crate) fn listed() -> Vec<Listed> {
    roll().clone()
}

fn roll() -> std::sync::MutexGuard<'static, Vec<Listed>> {
    ROLL.lock().unwrap_or_else(PoisonError::into_inner)
}
