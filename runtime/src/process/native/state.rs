//! Where a process stands, in the terms of who keeps it: whether it can go on, and from where.

use crate::process::trap::{Ended, Trap};

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcessState {
    /// It has not ended.
    Running,
    /// It ended at a trap from which it can go on as it is: 2, 4, 10 and 27.
    Suspended,
    /// It ended by itself with 2 or 3: what it has is kept, and it goes on when a function of it is called.
    Halted,
    /// It ended by itself with 0 or 1: that is all.
    Terminated,
    /// It ended in a way from which nothing goes on.
    Killed,
}

impl ProcessState {
    /// Of a process that came to this end.
    ///
    /// ```
    /// use delay::process::ProcessState;
    /// use delay::process::trap::{Ended, Trap};
    ///
    /// let ended = Ended { value: 0, trap: Trap::Suspended };
    /// assert_eq!(ProcessState::of(ended), ProcessState::Suspended);
    /// ```
    #[must_use]
    pub fn of(ended: Ended) -> Self {
        match ended.trap {
            Trap::Exit if ended.value & 2 == 0 => Self::Terminated,
            Trap::Exit => Self::Halted,
            trap if trap.is_resumable() => Self::Suspended,
            _ => Self::Killed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_is_a_state() {
        for trap in Trap::ALL {
            let state = ProcessState::of(Ended { value: 0, trap });
            let expected = match trap.id() {
                0 => ProcessState::Terminated,
                2 | 4 | 10 | 27 => ProcessState::Suspended,
                _ => ProcessState::Killed,
            };
            assert_eq!(state, expected, "{trap}");
        }
        let exits = [0, 1, 2, 3].map(|value| ProcessState::of(Ended { value, trap: Trap::Exit }));
        use ProcessState::{Halted, Terminated};
        assert_eq!(exits, [Terminated, Terminated, Halted, Halted]);
    }
}
