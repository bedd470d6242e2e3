//! The stages of a stopper's life, in words. It never moves from one to the next: the steps in `shared` do.

use std::fmt;

/// Where a stopper is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// Takes work.
    Running,
    /// Refuses work and waits for the tasks.
    Quiescing,
    /// All tasks have ended; waits for the workers, then runs the closers.
    Stopping,
    /// All is over.
    Stopped,
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Quiescing => "quiescing",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        })
    }
}
