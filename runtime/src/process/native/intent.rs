//! What is wanted of a process. It only grows: none, suspend, kill.

use std::sync::atomic::{AtomicU8, Ordering};

/// What is wanted of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Intent {
    /// That it runs.
    #[default]
    None = 0,
    /// That it suspends itself, or ends early.
    Suspend = 1,
    /// That it ends now.
    Kill = 2,
}

/// An intent that many can raise and nobody can lower.
#[derive(Debug, Default)]
pub(super) struct Wanted(AtomicU8);

impl Wanted {
    /// Wants at least `intent`; whether that is more than was wanted before.
    pub(super) fn raise(&self, intent: Intent) -> bool {
        // SeqCst: who raises looks for the process after this, who makes the process looks here after that; one of
        // the two has to see the other.
        self.0.fetch_max(intent as u8, Ordering::SeqCst) < intent as u8
    }

    pub(super) fn get(&self) -> Intent {
        match self.0.load(Ordering::SeqCst) {
            0 => Intent::None,
            1 => Intent::Suspend,
            _ => Intent::Kill,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intent_only_grows() {
        let wanted = Wanted::default();
        assert!(wanted.raise(Intent::Suspend));
        assert!(!wanted.raise(Intent::Suspend), "once is enough");
        assert!(wanted.raise(Intent::Kill), "a kill after a suspend counts");
        assert!(!wanted.raise(Intent::Suspend));
        assert_eq!(wanted.get(), Intent::Kill);
    }
}
