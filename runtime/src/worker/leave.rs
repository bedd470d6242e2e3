//! How a worker leaves: what never began goes back, what ended is settled, and the store hears that it has gone.

use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::Loop;
use super::report::Report;
use crate::outcome::Transition;
use crate::store::{Claim, Settlement};

/// How often the store may fail, over some six seconds: a primary may be replaced meanwhile.
const TRIES: usize = 8;

impl Loop {
    /// Claims that never began go back at once.
    pub(super) fn give_back(&mut self) {
        for Claim { fence, .. } in self.ahead.claims.drain(..) {
            self.ended.push(Settlement { fence, transition: Transition::Refund });
        }
    }

    /// Waits for all answers; what they bring goes back.
    async fn hear_out(&mut self) {
        while self.lanes.busy() > 0 {
            let (sent, answer) = self.lanes.answer().await;
            self.turned(sent, answer).await;
        }
        self.give_back();
    }

    /// All attempts have ended: settle them, and retire.
    pub(super) async fn leave(&mut self, mut inbox: mpsc::UnboundedReceiver<Report>) {
        self.hear_out().await;
        while let Ok(report) = inbox.try_recv() {
            self.note(report);
        }
        // The first try is at once: there may be no time for another.
        self.not_before = None;
        self.backoff.reset();
        let mut failed = 0;
        while let Some(sent) = self.next_turn(false) {
            self.lanes.send(sent);
            self.hear_out().await;
            let Some(time) = self.not_before else { continue };
            failed += 1;
            if failed == TRIES {
                break;
            }
            sleep_until(time).await;
        }
        if self.ended.len() > 0 {
            tracing::error!(
                unsettled = self.ended.len(),
                "what ended could not be settled; it will run again"
            );
        }
        if let Err(error) = self.worker.store.retire(self.id).await {
            tracing::error!(error = error.chain(), "the worker could not retire; its lease will run out");
        }
    }
}
