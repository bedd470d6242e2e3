//! What attempts tell the worker's loop, whichever way they end: a dropped one is reported, too.

use tokio::sync::mpsc;

use crate::outcome::Transition;
use crate::store::Fence;

/// What attempts tell the loop.
pub(super) enum Report {
    /// An attempt has come to an end: what the store is to do, or nothing if it was dropped on the way.
    Ended(Fence, Option<Transition>),
    /// Nothing of some attempt runs any more.
    Freed,
}

/// Reports the end of an attempt, whichever way it comes: a dropped attempt is reported, too.
pub(super) struct End {
    fence: Fence,
    transition: Option<Transition>,
    reports: mpsc::UnboundedSender<Report>,
}

impl End {
    /// An attempt of this claim is about to begin.
    pub(super) fn new(fence: Fence, reports: mpsc::UnboundedSender<Report>) -> Self {
        Self { fence, transition: None, reports }
    }

    pub(super) fn decided(mut self, transition: Transition) {
        self.transition = Some(transition);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // The loop ends last; if it is gone, the process is being torn down and the lease speaks for us.
        let _ = self.reports.send(Report::Ended(self.fence, self.transition.take()));
    }
}

/// A place among the running.
pub(super) struct Slot(pub(super) mpsc::UnboundedSender<Report>);

impl Drop for Slot {
    fn drop(&mut self) {
        let _ = self.0.send(Report::Freed);
    }
}
