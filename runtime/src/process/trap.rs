//! Why a process came to its end: the trap ids, and the one place where a child's exit becomes one of them.
//!
//! Pure: nothing here looks at a process. The ids are those of Gate's runtime, so that its tools can read them.

use std::fmt;

/// Why a process, or a program inside this one, does not run any more.
///
/// ```
/// use delay::process::trap::Trap;
///
/// assert_eq!(Trap::from_id(8), Some(Trap::IntegerDivideByZero));
/// assert_eq!(Trap::IntegerDivideByZero.to_string(), "integer divide by zero");
/// assert!(Trap::Suspended.is_resumable() && !Trap::Killed.is_resumable());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Trap {
    /// It ended by itself, with a result.
    Exit = 0,
    /// There is no function to call.
    NoFunction = 1,
    /// It was suspended, or its CPU time was used up.
    Suspended = 2,
    /// It reached what should be unreachable: a program's way to abort.
    Unreachable = 3,
    /// It called too deeply.
    CallStackExhausted = 4,
    /// It touched memory that is not there.
    MemoryAccessOutOfBounds = 5,
    /// It called through a table at a place where there is nothing.
    IndirectCallIndexOutOfBounds = 6,
    /// It called through a table a function of another type.
    IndirectCallSignatureMismatch = 7,
    /// It divided by zero.
    IntegerDivideByZero = 8,
    /// A number did not fit its type.
    IntegerOverflow = 9,
    /// It stopped at a breakpoint.
    Breakpoint = 10,
    /// It needs something that this host does not offer.
    AbiDeficiency = 27,
    /// It broke the rules between program and host.
    AbiViolation = 28,
    /// The host failed, or the process died in a way that nothing else explains.
    InternalError = 29,
    /// It was killed, by somebody or by a limit.
    Killed = 30,
}

impl Trap {
    /// All of them, in the order of their ids.
    pub const ALL: [Self; 15] = [
        Self::Exit,
        Self::NoFunction,
        Self::Suspended,
        Self::Unreachable,
        Self::CallStackExhausted,
        Self::MemoryAccessOutOfBounds,
        Self::IndirectCallIndexOutOfBounds,
        Self::IndirectCallSignatureMismatch,
        Self::IntegerDivideByZero,
        Self::IntegerOverflow,
        Self::Breakpoint,
        Self::AbiDeficiency,
        Self::AbiViolation,
        Self::InternalError,
        Self::Killed,
    ];

    /// Its number.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The trap with this number.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|trap| trap.id() == id)
    }

    /// Whether what was suspended at this trap can go on as it is. Of the others some can be called anew, none resumed.
    #[must_use]
    pub const fn is_resumable(self) -> bool {
        matches!(self, Self::Suspended | Self::CallStackExhausted | Self::Breakpoint | Self::AbiDeficiency)
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exit => "exit",
            Self::NoFunction => "no function",
            Self::Suspended => "suspended",
            Self::Unreachable => "unreachable",
            Self::CallStackExhausted => "call stack exhausted",
            Self::MemoryAccessOutOfBounds => "memory access out of bounds",
            Self::IndirectCallIndexOutOfBounds => "indirect call index out of bounds",
            Self::IndirectCallSignatureMismatch => "indirect call signature mismatch",
            Self::IntegerDivideByZero => "integer divide by zero",
            Self::IntegerOverflow => "integer overflow",
            Self::Breakpoint => "breakpoint",
            Self::AbiDeficiency => "ABI deficiency",
            Self::AbiViolation => "ABI violation",
            Self::InternalError => "internal error",
            Self::Killed => "killed",
        })
    }
}

/// How a child process was seen to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Death {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It used up the CPU time that it was allowed.
    CpuLimit,
    /// It was ended because it broke the protocol.
    Violation,
    /// With the executor that it belonged to.
    Executor,
}

/// Whether somebody has asked for the process to be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked {
    /// Yes.
    Kill,
    /// No, or for less than that.
    Less,
}

/// What a process came to: its value, and why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ended {
    /// The result of a process that ended by itself (0 to 3), and what cannot be explained otherwise.
    pub value: i32,
    /// Why.
    pub trap: Trap,
}

/// The first exit code that stands for a trap.
pub const TRAP_CODE: i32 = 100;

const SIGKILL: i32 = 9;

impl Death {
    /// What it means.
    #[must_use]
    pub fn ended(self, asked: Asked) -> Ended {
        let trapped = |trap| Ended { value: 0, trap };
        match self {
            Self::Code(value @ 0..=3) => Ended { value, trap: Trap::Exit },
            Self::Code(code @ TRAP_CODE..=127) => {
                let trap = u8::try_from(code - TRAP_CODE).ok().and_then(Trap::from_id);
                trap.map_or(Ended { value: code, trap: Trap::InternalError }, trapped)
            }
            Self::Code(value) => Ended { value, trap: Trap::InternalError },
            Self::Signal(SIGKILL) if asked == Asked::Kill => trapped(Trap::Killed),
            Self::CpuLimit => trapped(Trap::Suspended),
            Self::Violation => trapped(Trap::AbiViolation),
            Self::Signal(_) | Self::Executor => trapped(Trap::InternalError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_specification() {
        let ids = Trap::ALL.map(Trap::id);
        assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 27, 28, 29, 30]);
        for id in 0..=u8::MAX {
            assert_eq!(Trap::from_id(id).map(Trap::id), ids.contains(&id).then_some(id));
        }
    }

    #[test]
    fn what_can_be_resumed_are_the_traps_2_4_10_and_27() {
        let resumable: Vec<u8> =
            Trap::ALL.into_iter().filter(|trap| trap.is_resumable()).map(Trap::id).collect();
        assert_eq!(resumable, [2, 4, 10, 27]);
    }

    #[test]
    fn every_death_has_its_meaning() {
        use Asked::{Kill, Less};
        let ended = |value, trap| Ended { value, trap };
        let table = [
            (Death::Code(0), Less, ended(0, Trap::Exit)),
            (Death::Code(3), Less, ended(3, Trap::Exit)),
            (Death::Code(3), Kill, ended(3, Trap::Exit)),
            (Death::Code(4), Less, ended(4, Trap::InternalError)),
            (Death::Code(99), Less, ended(99, Trap::InternalError)),
            (Death::Code(100), Less, ended(0, Trap::Exit)),
            (Death::Code(103), Less, ended(0, Trap::Unreachable)),
            (Death::Code(110), Less, ended(0, Trap::Breakpoint)),
            (Death::Code(111), Less, ended(111, Trap::InternalError)),
            (Death::Code(127), Less, ended(0, Trap::AbiDeficiency)),
            (Death::Code(128), Less, ended(128, Trap::InternalError)),
            (Death::Code(-1), Less, ended(-1, Trap::InternalError)),
            (Death::Signal(9), Kill, ended(0, Trap::Killed)),
            (Death::Signal(9), Less, ended(0, Trap::InternalError)),
            (Death::Signal(11), Less, ended(0, Trap::InternalError)),
            (Death::Signal(11), Kill, ended(0, Trap::InternalError)),
            (Death::CpuLimit, Less, ended(0, Trap::Suspended)),
            (Death::Violation, Kill, ended(0, Trap::AbiViolation)),
            (Death::Executor, Less, ended(0, Trap::InternalError)),
        ];
        for (death, asked, meaning) in table {
            assert_eq!(death.ended(asked), meaning, "{death:?}, {asked:?}");
        }
    }
}
