//! Turns on their way to the store: as many at once as the store has lanes for.

use std::future::poll_fn;
use std::task::Poll;

use crate::error::Result;
use crate::store::{Pending, Settlement, Turned, WorkerId};

/// A turn on its way, and what is to be settled by it.
pub(super) struct Sent {
    /// Turns are counted as they are sent.
    pub(super) number: u64,
    pub(super) worker: WorkerId,
    pub(super) settle: Vec<Settlement>,
    pub(super) want: usize,
    pub(super) answer: Pending<'static, Turned>,
}

#[derive(Default)]
pub(super) struct Lanes(Vec<Sent>);

impl Lanes {
    pub(super) fn send(&mut self, sent: Sent) {
        self.0.push(sent);
    }

    /// How many turns are on their way.
    pub(super) fn busy(&self) -> usize {
        self.0.len()
    }

    /// How many tasks they want.
    pub(super) fn want(&self) -> usize {
        self.0.iter().map(|sent| sent.want).sum()
    }

    /// The next answer; never, if nothing is on its way.
    ///
    /// # Cancel safety
    /// Nothing is lost: a turn stays on its way until its answer is given out.
    pub(super) async fn answer(&mut self) -> (Sent, Result<Turned>) {
        poll_fn(|cx| {
            for (lane, sent) in self.0.iter_mut().enumerate() {
                if let Poll::Ready(answer) = sent.answer.as_mut().poll(cx) {
                    return Poll::Ready((self.0.swap_remove(lane), answer));
                }
            }
            Poll::Pending
        })
        .await
    }
}
