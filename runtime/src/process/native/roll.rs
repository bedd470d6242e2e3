//! The processes that run delayed functions here and now: what `delay ps` shows and `delay kill` finds.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::intent::Intent;
use super::key::ProcessKey;
use super::process::ProcessHandle;
use crate::id::TaskId;

/// One of them.
#[derive(Clone)]
pub(crate) struct Listed {
    pub(crate) key: ProcessKey,
    /// The function.
    pub(crate) what: String,
    pub(crate) task: Option<TaskId>,
    pub(crate) since: Instant,
    pub(crate) control: Arc<dyn Control>,
}

/// What an operator can see of a process, and do to it.
pub(crate) trait Control: Send + Sync {
    /// Its id on this machine, if it has one of its own.
    fn pid(&self) -> Option<u32>;
    /// CPU time and memory in bytes, while it lives.
    fn usage(&self) -> Option<(Duration, u64)>;
    fn wanted(&self) -> Intent;
    fn kill(&self);
}

impl Control for ProcessHandle {
    fn pid(&self) -> Option<u32> {
        self.pid()
    }

    fn usage(&self) -> Option<(Duration, u64)> {
        let pid = self.pid()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is a name in parentheses, which may hold anything; what is wanted comes long after it.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        let pages: u64 = fields.get(21)?.parse().ok()?;
        let cpu = Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second().max(1));
        Some((cpu, pages * rustix::param::page_size() as u64))
    }

    fn wanted(&self) -> Intent {
        self.wanted()
    }

    fn kill(&self) {
        self.kill();
    }
}

static ROLL: Mutex<Vec<Listed>> = Mutex::new(Vec::new());

/// Lists a process until what is returned is dropped.
pub(crate) fn list(listed: Listed) -> impl Drop {
    struct Unlist(ProcessKey);
    impl Drop for Unlist {
        fn drop(&mut self) {
            roll().retain(|listed| listed.key != self.0);
        }
    }
    let unlist = Unlist(listed.key);
    roll().push(listed);
    unlist
}

/// All of them, the oldest first.
pub(crate) fn listed() -> Vec<Listed> {
    roll().clone()
}

fn roll() -> MutexGuard<'static, Vec<Listed>> {
    ROLL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.what)
    }
}
