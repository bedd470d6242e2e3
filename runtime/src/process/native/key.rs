//! Which process: an identity, and nothing else.

use std::fmt;

/// A process's identity: comparable, never given twice by one program, and without meaning beyond that.
///
/// It is shown as `executor.process`, which is what `delay ps` and `delay kill` call it together with the worker's
/// process id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessKey {
    pub(super) executor: u32,
    pub(super) process: u32,
}

impl fmt::Display for ProcessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.executor, self.process)
    }
}
