//! A store that writes down what it acknowledges, before the caller hears of it. Everything is done by the store
//! behind it.

use std::sync::Arc;

use delay::Transition;
use delay::store::{Fence, Pending, Pushed, Settled, Store, Turn, Turned};
use delay::{Task, TaskId};

use crate::delegate::delegate;
use crate::history::{End, Id, Journal, Taken, What};

/// The recording store.
#[derive(Debug)]
pub struct Recording {
    store: Arc<dyn Store>,
    journal: Arc<Journal>,
}

impl Recording {
    /// Records what `store` does.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, journal: Arc<Journal>) -> Self {
        Self { store, journal }
    }
}

/// What an attempt is to come to by a transition.
fn end(transition: &Transition) -> End {
    match transition {
        Transition::Succeed(_) => End::Succeeded,
        Transition::Fail { .. } | Transition::Cancel { .. } => End::Finished,
        _ => End::Again,
    }
}

impl Store for Recording {
    fn push(&self, tasks: Vec<Task>) -> Pending<'_, Vec<Pushed>> {
        Box::pin(async move {
            let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
            let pushed = self.store.push(tasks).await?;
            let added = ids.iter().zip(&pushed).filter(|(_, pushed)| **pushed == Pushed::Added);
            self.journal.write(added.map(|(id, _)| What::Pushed { id: Id(*id) }));
            Ok(pushed)
        })
    }

    /// More than a store on this machine asks for: what turns do to each other is to be seen.
    fn lanes(&self) -> usize {
        2
    }

    fn turn(&self, turn: Turn) -> Pending<'_, Turned> {
        Box::pin(async move {
            let asked: Vec<(Fence, End)> =
                turn.settle.iter().map(|settle| (settle.fence, end(&settle.transition))).collect();
            let settled = |taken: &mut dyn Iterator<Item = Taken>| {
                let answers = asked.iter().zip(taken).map(|((fence, end), taken)| What::Settled {
                    id: Id(fence.id),
                    epoch: fence.epoch,
                    end: *end,
                    taken,
                });
                self.journal.write(answers);
            };
            match self.store.turn(turn).await {
                Ok(turned) => {
                    settled(&mut turned.settled.iter().map(|settled| match settled {
                        Settled::Applied => Taken::Applied,
                        Settled::Stale => Taken::Stale,
                    }));
                    let claims = turned.claims.iter().map(|claim| claim.fence);
                    self.journal
                        .write(claims.map(|fence| What::Claimed { id: Id(fence.id), epoch: fence.epoch }));
                    Ok(turned)
                }
                Err(error) => {
                    if error.is_stale_lease() {
                        settled(&mut std::iter::repeat(Taken::Refused));
                    }
                    Err(error)
                }
            }
        })
    }

    delegate!(within Store);
}

delegate!(Inspect and Upkeep for Recording);

delegate!(Checkpoints for Recording);

delegate!(QueueBook and QueueDesk for Recording);
