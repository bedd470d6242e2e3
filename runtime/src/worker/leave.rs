//! How a worker leaves: what never began goes back, what ended is settled, and the store hears that it has gone.

use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::Loop;
use super::report::Report;
use crate::outcome::Transition;
use crate::store::Settlement;

impl Loop {
    /// Claims that never began go back at once.
    pub(super) fn give_back(&mut self) {
        let unbegun = self.ahead.drain(..).map(|claim| claim.fence);
        self.ended.extend(unbegun.map(|fence| Settlement { fence, transition: Transition::Refund }));
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
        // A few tries: after these the lease gives the tasks to others.
        for _ in 0..5 {
            let Some(sent) = self.next_turn(false) else { break };
            self.lanes.send(sent);
            self.hear_out().await;
            if let Some(time) = self.not_before {
                sleep_until(time).await;
            }
        }
        if let Err(error) = self.worker.store.retire(self.id).await {
            tracing::error!(error = error.chain(), "the worker could not retire; its lease will run out");
        }
    }
}
