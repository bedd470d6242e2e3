//! What an attempt came to, in words that a store never sees and a function never spells: the worker's half of the story.

use std::time::Duration;

use crate::failure::Class;

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function returned; the packed value if it is to be kept.
    Succeeded(Option<Vec<u8>>),
    /// The function returned an error, of this class.
    Failed(Class, String),
    /// The function panicked: message and place.
    Panicked(String),
    /// The function's own process ended before the function did: how.
    Died(String),
    /// The attempt ran longer than its time limit.
    TimedOut(Duration),
    /// Somebody asked for the task to be cancelled.
    Cancelled,
    /// The worker gave the attempt up: it never started, or the runtime is stopping.
    Interrupted,
    /// The task cannot run here, and no retry will change that.
    Unrunnable(Hold, String),
}

/// Why a task is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Hold {
    /// No function of this name is linked into the worker.
    UnknownFunction = 1,
    /// The payload is not an invocation, or its arguments do not fit the function.
    Undecodable = 2,
    /// The process died under it too often.
    Crashes = 3,
    /// Somebody has set it aside; it goes on when it is released.
    Suspended = 4,
    /// What is stored of it belongs to another program than the one of its name, which has changed meanwhile.
    ForeignSnapshot = 5,
}

impl Hold {
    /// The reason as shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownFunction => "unknown function",
            Self::Undecodable => "undecodable",
            Self::Crashes => "crashes",
            Self::Suspended => "suspended",
            Self::ForeignSnapshot => "foreign snapshot",
        }
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        const ALL: [Hold; 5] =
            [Hold::UnknownFunction, Hold::Undecodable, Hold::Crashes, Hold::Suspended, Hold::ForeignSnapshot];
        ALL.into_iter().find(|hold| *hold as i64 == code)
    }
}

/// What the store does about an outcome. A value, computed by [`crate::state::decide`] and applied once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// To `succeeded`, with the packed value if it is kept.
    Succeed(Option<Kept>),
    /// To `scheduled` (or `ready` when the wait is zero), the attempt spent.
    Retry {
        /// The wait before the next attempt.
        wait: Duration,
        /// Why.
        error: String,
    },
    /// To `scheduled`, the attempt given back.
    Snooze {
        /// The wait before the next attempt.
        wait: Duration,
    },
    /// Back to `ready`, the attempt given back.
    Refund,
    /// To `failed`.
    Fail {
        /// Why.
        error: String,
    },
    /// To `cancelled`.
    Cancel {
        /// Why.
        reason: String,
    },
    /// To `held`, the attempt given back.
    Hold {
        /// The kind of reason.
        hold: Hold,
        /// The reason in full.
        error: String,
    },
}

/// A value that outlives its task's success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The packed value.
    pub value: Vec<u8>,
    /// How long it is kept.
    pub keep: Duration,
}
