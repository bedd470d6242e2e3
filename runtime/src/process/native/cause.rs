//! How a process came to its end, in words for people and in the terms of the trap table.
//!
//! Pure: what was seen of the process goes in, what it means comes out.

use std::fmt;
use std::time::Duration;

use super::intent::Intent;
use super::seat::Stage;
use super::sys::Reaped;
use crate::process::trap::{Asked, Death, Ended, Trap};

/// Why a process ended: one line that an operator can act upon.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// It ended by itself, with this code.
    Returned(i32),
    /// It ended by itself, at this trap.
    Trapped(Trap),
    /// It was killed by somebody.
    Killed,
    /// It used up its CPU time.
    CpuTime(Duration),
    /// It ran out of its memory, so many bytes.
    Memory(u64),
    /// It ran longer than it may.
    WallTime(Duration),
    /// It said more than it may, so many bytes.
    Output(u64),
    /// Its stack has overflowed.
    StackOverflow,
    /// It died of this signal.
    Signal(i32),
    /// It broke the protocol, in this way.
    Violation(String),
    /// Its executor has died.
    ExecutorDied,
    /// The system did not make it: the error's number.
    Unborn(i32),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: u64 = 1 << 20;
        let bytes = |f: &mut fmt::Formatter<'_>, bytes: u64| match bytes % MIB {
            0 => write!(f, "{} MiB", bytes / MIB),
            _ => write!(f, "{bytes} bytes"),
        };
        match self {
            Self::Returned(code @ 0..=3) => write!(f, "it ended with {code}"),
            Self::Returned(code) => write!(f, "it exited with code {code}"),
            Self::Trapped(trap) => write!(f, "it ended by itself: {trap}"),
            Self::Killed => f.write_str("it was killed"),
            Self::CpuTime(limit) => write!(f, "it used up its CPU time of {limit:?}"),
            Self::Memory(limit) => {
                f.write_str("it ran out of its memory of ")?;
                bytes(f, *limit)
            }
            Self::WallTime(limit) => write!(f, "it ran longer than its time limit of {limit:?}"),
            Self::Output(limit) => {
                f.write_str("it said more than the ")?;
                bytes(f, *limit)?;
                f.write_str(" that it may")
            }
            Self::StackOverflow => f.write_str("its stack overflowed"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some((name, what)) => write!(f, "it died of {name}: {what}"),
                None => write!(f, "it died of signal {signal}"),
            },
            Self::Violation(how) => write!(f, "it broke the protocol and was killed: {how}"),
            Self::ExecutorDied => f.write_str("the executor died, and every process in it"),
            Self::Unborn(errno) => {
                let error = std::io::Error::from_raw_os_error(*errno);
                write!(f, "the system did not make it: {error}")
            }
        }
    }
}

/// The signals that a process can die of by its own doing.
fn signal_name(signal: i32) -> Option<(&'static str, &'static str)> {
    Some(match signal {
        libc::SIGABRT => ("SIGABRT", "it aborted"),
        libc::SIGSEGV => ("SIGSEGV", "a segmentation fault"),
        libc::SIGBUS => ("SIGBUS", "a bus error"),
        libc::SIGILL => ("SIGILL", "an illegal instruction"),
        libc::SIGFPE => ("SIGFPE", "an arithmetic fault"),
        libc::SIGTRAP => ("SIGTRAP", "a breakpoint"),
        libc::SIGSYS => ("SIGSYS", "a system call that only an attack would make"),
        libc::SIGKILL => ("SIGKILL", "somebody else, or the system for want of memory, killed it"),
        _ => return None,
    })
}

/// What a process used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all its threads.
    pub cpu: Duration,
    /// The most memory that it held at once, in bytes.
    pub peak_memory: u64,
}

/// What was seen of a process's end.
#[derive(Clone, Debug)]
pub(super) struct Seen<'a> {
    pub(super) stage: Stage,
    pub(super) wanted: Intent,
    /// Why the host ended it, if it did.
    pub(super) verdict: Option<Cause>,
    pub(super) cpu_time: Option<Duration>,
    pub(super) memory: u64,
    /// What it printed last.
    pub(super) last_words: &'a str,
}

/// What Rust prints when there is no memory for something that cannot do without.
const NO_MEMORY: &str = "memory allocation of ";

impl Seen<'_> {
    /// What it means.
    pub(super) fn means(self) -> (Ended, Cause) {
        let death = self.death();
        let asked = match self.wanted {
            Intent::Kill => Asked::Kill,
            Intent::None | Intent::Suspend => Asked::Less,
        };
        let ended = match (&self.verdict, death) {
            // Its own end may have been faster than the host's.
            (Some(Cause::WallTime(_) | Cause::Output(_)), Death::Signal(libc::SIGKILL)) => {
                Ended { value: 0, trap: Trap::Killed }
            }
            _ => death.ended(asked),
        };
        (ended, self.cause(death, ended))
    }

    fn death(&self) -> Death {
        let Stage::Reaped(reaped) = self.stage else { return Death::Executor };
        if matches!(self.verdict, Some(Cause::Violation(_))) {
            return Death::Violation;
        }
        let status = reaped.status;
        if !libc::WIFSIGNALED(status) {
            return Death::Code(libc::WEXITSTATUS(status));
        }
        match libc::WTERMSIG(status) {
            libc::SIGPROF | libc::SIGXCPU if self.cpu_time.is_some() => Death::CpuLimit,
            libc::SIGKILL if self.host_did_not() && self.used_up(reaped) => Death::CpuLimit,
            signal => Death::Signal(signal),
        }
    }

    fn host_did_not(&self) -> bool {
        self.wanted != Intent::Kill && self.verdict.is_none()
    }

    fn used_up(&self, reaped: Reaped) -> bool {
        self.cpu_time.is_some_and(|limit| reaped.cpu >= limit)
    }

    fn cause(self, death: Death, ended: Ended) -> Cause {
        match (death, self.stage) {
            (Death::Executor, Stage::Unborn { errno }) => Cause::Unborn(errno),
            (Death::Executor, _) => Cause::ExecutorDied,
            (Death::CpuLimit, _) => Cause::CpuTime(self.cpu_time.unwrap_or_default()),
            (Death::Signal(libc::SIGKILL), _) => match self.verdict {
                Some(verdict) => verdict,
                None if ended.trap == Trap::Killed => Cause::Killed,
                None => Cause::Signal(libc::SIGKILL),
            },
            (Death::Signal(libc::SIGABRT), _) if self.last_words.contains(NO_MEMORY) => {
                Cause::Memory(self.memory)
            }
            (Death::Signal(signal), _) => Cause::Signal(signal),
            (Death::Code(_), _) => match ended.trap {
                Trap::Exit | Trap::InternalError => Cause::Returned(ended.value),
                Trap::CallStackExhausted => Cause::StackOverflow,
                trap => Cause::Trapped(trap),
            },
            (Death::Violation, _) => self.verdict.unwrap_or(Cause::Killed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    fn seen(status: i32) -> Seen<'static> {
        let reaped = Reaped { status, cpu: Duration::from_secs(1), peak: 0 };
        Seen {
            stage: Stage::Reaped(reaped),
            wanted: Intent::None,
            verdict: None,
            cpu_time: Some(LIMIT),
            memory: 64 << 20,
            last_words: "",
        }
    }

    fn code(code: i32) -> i32 {
        code << 8
    }

    #[test]
    fn exit_0_to_3_is_a_result() {
        for value in 0..=3 {
            let (ended, cause) = seen(code(value)).means();
            assert_eq!((ended, cause), (Ended { value, trap: Trap::Exit }, Cause::Returned(value)));
        }
    }

    #[test]
    fn exit_100_to_127_is_that_trap() {
        let (ended, cause) = seen(code(102)).means();
        assert_eq!((ended.trap, cause), (Trap::Suspended, Cause::Trapped(Trap::Suspended)));
        let (ended, cause) = seen(code(104)).means();
        assert_eq!((ended.trap, cause), (Trap::CallStackExhausted, Cause::StackOverflow));
    }

    #[test]
    fn another_code_is_an_internal_error_with_it() {
        let (ended, cause) = seen(code(42)).means();
        assert_eq!((ended, cause), (Ended { value: 42, trap: Trap::InternalError }, Cause::Returned(42)));
    }

    #[test]
    fn sigkill_after_kill_is_killed_and_without_it_an_internal_error() {
        let killed = Seen { wanted: Intent::Kill, ..seen(9) };
        assert_eq!(killed.means(), (Ended { value: 0, trap: Trap::Killed }, Cause::Killed));
        let suspended = Seen { wanted: Intent::Suspend, ..seen(9) };
        assert_eq!(suspended.means().0.trap, Trap::InternalError);
        assert_eq!(seen(9).means().1, Cause::Signal(9));
    }

    #[test]
    fn death_by_the_cpu_limit_is_suspended_by_whichever_signal() {
        let used = Reaped { status: 9, cpu: LIMIT, peak: 0 };
        let backstop = Seen { stage: Stage::Reaped(used), ..seen(9) };
        for seen in [seen(libc::SIGPROF), seen(libc::SIGXCPU), backstop] {
            assert_eq!(seen.means(), (Ended { value: 0, trap: Trap::Suspended }, Cause::CpuTime(LIMIT)));
        }
        let killed = Seen { stage: Stage::Reaped(used), wanted: Intent::Kill, ..seen(9) };
        assert_eq!(killed.means().1, Cause::Killed, "somebody was first");
    }

    #[test]
    fn another_signal_is_an_internal_error_that_names_it() {
        let (ended, cause) = seen(libc::SIGSEGV).means();
        assert_eq!(
            (ended.trap, cause.to_string()),
            (Trap::InternalError, "it died of SIGSEGV: a segmentation fault".into())
        );
    }

    #[test]
    fn an_abort_for_want_of_memory_says_so() {
        let words = "memory allocation of 8388608 bytes failed\n";
        let (ended, cause) = Seen { last_words: words, ..seen(libc::SIGABRT) }.means();
        assert_eq!((ended.trap, cause), (Trap::InternalError, Cause::Memory(64 << 20)));
        assert_eq!(seen(libc::SIGABRT).means().1.to_string(), "it died of SIGABRT: it aborted");
    }

    #[test]
    fn a_violation_counts_whatever_came_after() {
        let verdict = || Some(Cause::Violation("a lie".to_owned()));
        for status in [9, code(0)] {
            let (ended, cause) = Seen { verdict: verdict(), wanted: Intent::Kill, ..seen(status) }.means();
            assert_eq!((ended.trap, cause), (Trap::AbiViolation, Cause::Violation("a lie".to_owned())));
        }
    }

    #[test]
    fn limits_of_the_host_kill() {
        for cause in [Cause::WallTime(LIMIT), Cause::Output(5)] {
            let (ended, told) = Seen { verdict: Some(cause.clone()), ..seen(9) }.means();
            assert_eq!((ended.trap, told), (Trap::Killed, cause.clone()));
            let (ended, told) = Seen { verdict: Some(cause), ..seen(code(0)) }.means();
            assert_eq!((ended.trap, told), (Trap::Exit, Cause::Returned(0)), "it was faster");
        }
    }

    #[test]
    fn a_dead_executor_is_an_internal_error() {
        let (ended, cause) = Seen { stage: Stage::Orphaned, wanted: Intent::Kill, ..seen(0) }.means();
        assert_eq!((ended.trap, cause), (Trap::InternalError, Cause::ExecutorDied));
        let unborn = Seen { stage: Stage::Unborn { errno: libc::EAGAIN }, ..seen(0) };
        assert_eq!(unborn.means().1, Cause::Unborn(libc::EAGAIN));
    }
}
