//! Deliveries without a store: each runs at once, here, and its answer is remembered in this process for those that come
//! again. What cannot run is refused, and stays with its sender.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::answer::Answer;
use super::delivery::Delivery;
use super::kept::{claim, pack};
use super::parts::Parts;
use crate::error::Result;
use crate::posted::Sender;

/// Answers that are remembered; the oldest are forgotten first.
const MOST_ANSWERS: usize = 10_000;

/// The deliveries that run or ran here.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_name: HashMap<String, (Option<u32>, watch::Receiver<Option<Answer>>)>,
    order: VecDeque<String>,
}

/// What is known of a delivery.
enum Seen {
    /// It is being answered, or was.
    Before(watch::Receiver<Option<Answer>>),
    /// It is new: whoever runs it says the answer here.
    Never(watch::Sender<Option<Answer>>),
}

impl Answers {
    fn see(&self, delivery: &Delivery) -> Seen {
        let (sender, receiver) = watch::channel(None);
        let Some(name) = delivery.name(0) else { return Seen::Never(sender) };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((attempt, answer)) = known.by_name.get(&name) {
            // Dropped on the way, it has no answer; failed for now, it answers the attempts up to the failed one.
            let stands = match &*answer.borrow() {
                None => answer.has_changed().is_ok(),
                Some(Answer::Again { .. } | Answer::Unavailable(_) | Answer::Refused(_)) => {
                    delivery.attempt.is_some_and(|now| attempt.is_some_and(|then| now <= then))
                }
                Some(_) => true,
            };
            if stands {
                return Seen::Before(answer.clone());
            }
        } else {
            known.order.push_back(name.clone());
        }
        known.by_name.insert(name, (delivery.attempt, receiver));
        if known.order.len() > MOST_ANSWERS
            && let Some(oldest) = known.order.pop_front()
        {
            known.by_name.remove(&oldest);
        }
        Seen::Never(sender)
    }

    /// Runs a delivery, if it is new, and gives its answer.
    ///
    /// # Cancel safety
    /// Once begun, it runs on whether anybody waits or not.
    pub(super) async fn deliver(self: &Arc<Self>, parts: &Parts, delivery: Delivery) -> Result<Answer> {
        const GONE: Answer = Answer::Unavailable("interrupted: this program is stopping");
        let mut answer = match self.see(&delivery) {
            Seen::Before(answer) => answer,
            Seen::Never(sender) => {
                let options = pack(&delivery.options(Sender::Waits))?;
                let answer = sender.subscribe();
                match parts.executor.resolve(claim(&delivery, options)) {
                    Err(transition) => drop(sender.send_replace(Some(Answer::decided(transition)))),
                    Ok(job) => {
                        let executor = Arc::clone(&parts.executor);
                        let name = job.ctx.function();
                        let attempt = async move {
                            let transition = executor.run(job, ()).await;
                            sender.send_replace(Some(Answer::decided(transition)));
                        };
                        if parts.stopper.run_async_task(name, attempt).is_err() {
                            return Ok(GONE);
                        }
                    }
                }
                answer
            }
        };
        let answered = answer.wait_for(Option::is_some).await;
        Ok(answered.ok().and_then(|answer| answer.clone()).unwrap_or(GONE))
    }
}
