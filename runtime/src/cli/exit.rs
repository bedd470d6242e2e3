//! What the tool's exit codes mean. They are a promise: scripts act on them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Store = 3,
    Declined = 4,
    Found = 5,
}

/// The codes for `--help`.
pub(super) const HELP: &str = "\
Exit codes:
  0  done
  1  not done, or not all of it: an unknown id, a wrong state, a failing store
  2  the command makes no sense: an unknown option, no store, no --yes, a file
     with mistakes
  3  the store cannot be opened: missing, damaged, foreign, of another version
  4  nothing was done: the question was answered with no
  5  doctor has found trouble";

impl Exit {
    #[cfg(test)]
    pub(super) const ALL: [Self; 6] =
        [Self::Done, Self::Failed, Self::Usage, Self::Store, Self::Declined, Self::Found];

    /// The code's name in JSON.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Store => "store",
            Self::Declined => "declined",
            Self::Found => "found",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
