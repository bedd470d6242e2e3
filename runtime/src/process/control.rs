//! How a running program is asked to suspend itself, or told to die: from any thread, at any time, as often as one likes.
//!
//! What was asked only grows, nothing < suspend < kill, until the program's own thread has honoured a suspension.
//! The engine's thread looks at the word when its engine lets it; what makes the engine let it is the waker.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

/// What is asked of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Intent {
    /// Nothing: it runs.
    Run = 0,
    /// That it is suspended as soon as it can be.
    Suspend = 1,
    /// That it ends.
    Kill = 2,
}

/// The handle on a program that may be running; clones are the same handle.
///
/// ```
/// use delay::process::control::{Control, Intent};
///
/// let control = Control::default();
/// control.kill();
/// control.suspend(); // too late: it does not make a killed program live
/// assert_eq!(control.intent(), Intent::Kill);
/// ```
#[derive(Clone, Default)]
pub struct Control(Arc<Shared>);

#[derive(Default)]
struct Shared {
    intent: AtomicU8,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Control {
    /// Asks the program to suspend itself.
    pub fn suspend(&self) {
        self.ask(Intent::Suspend);
    }

    /// Ends the program.
    pub fn kill(&self) {
        self.ask(Intent::Kill);
    }

    /// What is asked of it now.
    #[must_use]
    pub fn intent(&self) -> Intent {
        // SeqCst, as in `ask`: an engine arms its waker and then looks here, who asks writes here and then wakes. One of
        // the two sees the other.
        match self.0.intent.load(Ordering::SeqCst) {
            0 => Intent::Run,
            1 => Intent::Suspend,
            _ => Intent::Kill,
        }
    }

    fn ask(&self, intent: Intent) {
        self.0.intent.fetch_max(intent as u8, Ordering::SeqCst);
        if let Some(wake) = self.0.wake.get() {
            wake();
        }
    }

    /// The suspension is done, and the program is about to go on.
    #[cfg_attr(not(any(feature = "wasmi", feature = "wasmtime")), allow(dead_code))]
    pub(crate) fn honoured(&self) {
        let suspend = Intent::Suspend as u8;
        // A failure means that it was killed meanwhile, which stands.
        let _ = self.0.intent.compare_exchange(suspend, 0, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// What makes the engine look at the intent; the first one stays.
    #[cfg_attr(not(feature = "wasmtime"), allow(dead_code))]
    pub(crate) fn wake_by(&self, wake: impl Fn() + Send + Sync + 'static) {
        let _ = self.0.wake.set(Box::new(wake));
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Control").field(&self.intent()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_grows_until_it_is_honoured() {
        let control = Control::default();
        assert_eq!(control.intent(), Intent::Run);
        control.suspend();
        assert_eq!(control.intent(), Intent::Suspend);
        control.honoured();
        assert_eq!(control.intent(), Intent::Run);
        control.suspend();
        control.kill();
        control.honoured();
        assert_eq!(control.intent(), Intent::Kill, "a kill that came meanwhile stands");
    }
}
