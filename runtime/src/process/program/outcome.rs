//! What a program's end means for its task. Pure.

use crate::codec;
use crate::failure::Class;
use crate::outcome::{Hold, Outcome};
use crate::process::engine::Fault;
use crate::process::snapshot::SnapshotError;
use crate::process::trap::Trap;

/// How one attempt of a program ended.
#[derive(Debug, PartialEq)]
pub(super) enum Ended {
    /// It returned this status, and had written this.
    Returned(i32, Vec<u8>),
    /// Something ended it.
    Fault(Fault),
    /// It was suspended, and is stored: the worker stops.
    Stopped,
    /// It was suspended, and is stored: somebody has set it aside.
    SetAside,
    /// What is stored of it cannot be used.
    Unusable(SnapshotError),
    /// The store did not say what is stored of it.
    Unknown(String),
    /// Another attempt counts.
    Stale,
}

impl Ended {
    /// Whether the attempt failed by the program's own doing, and not the host's, so that the next one starts over.
    pub(super) fn starts_over(&self) -> bool {
        match self {
            Self::Returned(status, _) => *status != 0,
            Self::Fault(fault) => fault.trap != Trap::InternalError,
            Self::Stopped | Self::SetAside | Self::Unusable(_) | Self::Unknown(_) | Self::Stale => false,
        }
    }

    /// The outcome of the attempt; the value is kept if `keep` says so.
    pub(super) fn outcome(self, keep: bool) -> Outcome {
        match self {
            Self::Returned(0, _) if !keep => Outcome::Succeeded(None),
            Self::Returned(0, value) => value_of(value),
            Self::Returned(1, text) => Outcome::Failed(Class::Retry, text_of(&text)),
            Self::Returned(2, text) => Outcome::Failed(Class::Permanent, text_of(&text)),
            Self::Returned(3, text) => Outcome::Failed(Class::Cancel, text_of(&text)),
            Self::Returned(status, _) => {
                let text = format!("the program returned status {status}; there are 0 to 3");
                failed(&Fault::new(Trap::AbiViolation, text))
            }
            Self::Fault(fault) => failed(&fault),
            Self::Stopped | Self::Stale => Outcome::Interrupted,
            Self::SetAside => Outcome::Unrunnable(Hold::Suspended, "it was suspended by hand".to_owned()),
            Self::Unusable(error) => {
                let text = format!(
                    "what is stored of the suspended program cannot be used: {error}. Resume it where that program is \
                     (`delay resume`), or let it begin anew (`delay retry`)"
                );
                Outcome::Unrunnable(Hold::ForeignSnapshot, text)
            }
            Self::Unknown(text) => {
                Outcome::Failed(Class::Retry, format!("the program's checkpoint could not be read: {text}"))
            }
        }
    }
}

/// What a retry may help is retried: the input, the time and the host's state may be others then. What the module itself
/// is, is not.
fn failed(fault: &Fault) -> Outcome {
    let class = match fault.trap {
        Trap::NoFunction | Trap::AbiDeficiency | Trap::AbiViolation => Class::Permanent,
        _ => Class::Retry,
    };
    Outcome::Failed(class, format!("the program ended: {fault}"))
}

fn value_of(value: Vec<u8>) -> Outcome {
    // Nothing is `nil`.
    let value = if value.is_empty() { vec![0xc0] } else { value };
    match codec::well_formed(&value) {
        Ok(_) => Outcome::Succeeded(Some(value)),
        Err(error) => {
            let text = format!("the program succeeded, but its result is not one MessagePack value: {error}");
            Outcome::Failed(Class::Permanent, text)
        }
    }
}

fn text_of(text: &[u8]) -> String {
    const MOST: usize = 4096;
    let text = String::from_utf8_lossy(text);
    if text.is_empty() {
        return "the program gave no reason".to_owned();
    }
    text.chars().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::snapshot::ModuleHash;

    #[test]
    fn every_end_has_its_outcome() {
        let why = || "why".to_owned();
        let fault = |trap| Ended::Fault(Fault::new(trap, "why"));
        let ended = |trap: &str| format!("the program ended: {trap}: why");
        let table = [
            (Ended::Returned(0, vec![7]), Outcome::Succeeded(Some(vec![7])), false),
            (Ended::Returned(0, vec![]), Outcome::Succeeded(Some(vec![0xc0])), false),
            (Ended::Returned(1, b"why".to_vec()), Outcome::Failed(Class::Retry, why()), true),
            (Ended::Returned(2, b"why".to_vec()), Outcome::Failed(Class::Permanent, why()), true),
            (Ended::Returned(3, b"why".to_vec()), Outcome::Failed(Class::Cancel, why()), true),
            (fault(Trap::Unreachable), Outcome::Failed(Class::Retry, ended("unreachable")), true),
            (fault(Trap::InternalError), Outcome::Failed(Class::Retry, ended("internal error")), false),
            (fault(Trap::Killed), Outcome::Failed(Class::Retry, ended("killed")), true),
            (fault(Trap::NoFunction), Outcome::Failed(Class::Permanent, ended("no function")), true),
            (fault(Trap::AbiDeficiency), Outcome::Failed(Class::Permanent, ended("ABI deficiency")), true),
            (fault(Trap::AbiViolation), Outcome::Failed(Class::Permanent, ended("ABI violation")), true),
            (Ended::Stopped, Outcome::Interrupted, false),
            (Ended::Stale, Outcome::Interrupted, false),
        ];
        for (ended, outcome, starts_over) in table {
            assert_eq!(ended.starts_over(), starts_over, "{ended:?}");
            assert_eq!(ended.outcome(true), outcome);
        }
    }

    #[test]
    fn a_result_that_nobody_keeps_is_not_looked_at() {
        assert_eq!(Ended::Returned(0, vec![0xc1]).outcome(false), Outcome::Succeeded(None));
    }

    #[test]
    fn a_result_that_is_no_value_is_a_failure() {
        for wrong in [&[0xc1][..], &[1, 2], &[0x92, 1]] {
            let outcome = Ended::Returned(0, wrong.to_vec()).outcome(true);
            assert!(matches!(&outcome, Outcome::Failed(Class::Permanent, _)), "{outcome:?}");
        }
    }

    #[test]
    fn an_unknown_status_is_a_violation() {
        for status in [-1, 4, i32::MAX] {
            let outcome = Ended::Returned(status, vec![]).outcome(true);
            assert!(
                matches!(&outcome, Outcome::Failed(Class::Permanent, text) if text.contains("ABI violation"))
            );
        }
    }

    #[test]
    fn a_foreign_snapshot_is_held_and_says_what_to_do() {
        let error =
            SnapshotError::ForeignModule { expected: ModuleHash::of(b"new"), found: ModuleHash::of(b"old") };
        let Outcome::Unrunnable(Hold::ForeignSnapshot, text) = Ended::Unusable(error).outcome(true) else {
            panic!("it is held")
        };
        assert!(text.contains("delay retry") && text.contains("delay resume"), "{text}");
    }
}
