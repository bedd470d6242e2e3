//! Deliveries by way of the store: each message becomes a task under a name made of it, which whoever can runs and whose
//! outcome is the answer to every delivery of the message.
//!
//! 1. A message that comes again finds its task by the name: while it waits or runs, the delivery waits with it; when it
//!    has ended, the stored outcome is the answer. So a message whose answer was lost on the way does not run twice.
//! 2. A task that ended in a failure which the sender tries again answers the attempts up to the failed one. For a later
//!    attempt, or if the sender does not count, the message gets its next task, under its next name.
//! 3. Once the task is stored it is this program's: if the process dies or stops, it runs later, and the sender's next
//!    attempt waits with it.

use std::borrow::Cow;
use std::time::Duration;

use super::answer::{Answer, Told};
use super::delivery::Delivery;
use super::parts::Parts;
use crate::backoff::Backoff;
use crate::codec;
use crate::error::{Error, Kind, Result};
use crate::id::TaskId;
use crate::outcome::Transition;
use crate::posted::{Answered, Sender};
use crate::store::{Claim, Fence, Pushed, TaskRecord};
use crate::task::{Due, Task, TaskOptions, TaskState};

/// Where deliveries wait for a worker.
pub(super) const QUEUE: &str = "delay-push";

/// The longest wait for the next look at a task that is kept here in any case.
const NO_HURRY: Duration = Duration::from_secs(2);

/// How long, after all attempts have ended, their outcomes take to be settled.
const SETTLING: Duration = Duration::from_millis(500);

/// A message that failed so often within the tombstone time is sent too often.
const MOST_TASKS: u32 = 1000;

/// Stores a delivery, if it is new, and waits for its outcome.
///
/// # Cancel safety
/// Once it is stored, it runs whether anybody waits or not.
pub(super) async fn deliver(parts: &Parts, delivery: Delivery) -> Result<Told> {
    let sender = if can_run(parts, &delivery)? { Sender::Waits } else { Sender::Gone };
    let options = pack(&delivery.options(sender))?;
    for n in 0..MOST_TASKS {
        let task = Task {
            id: TaskId::new(),
            queue: Cow::Borrowed(QUEUE),
            name: delivery.name(n),
            due: Due::Now,
            priority: 0,
            tag: None,
            options: Some(options.clone()),
            payload: delivery.payload.to_vec(),
        };
        let id = task.id;
        match parts.store().push(vec![task]).await?.first() {
            Some(Pushed::Added) => return outcome(parts, id, sender).await,
            Some(Pushed::NameTaken(holder)) => {
                let record = parts.store().get(vec![*holder]).await?.pop().flatten();
                if let Some(record) = record.filter(|record| is_about(record, &delivery)) {
                    let sender = if waits(&record) { Sender::Waits } else { Sender::Gone };
                    return outcome(parts, *holder, sender).await;
                }
            }
            None => return Err(Error::new(Kind::Other, "the store did not answer for the task")),
        }
    }
    Ok(Told(Answer::Unavailable("this message has failed too often in the last hour"), None))
}

/// Whether the message's task answers this delivery, be it now or when it has ended.
fn is_about(record: &TaskRecord, delivery: &Delivery) -> bool {
    if record.state != TaskState::Failed {
        return true;
    }
    match record.error.as_deref().unwrap_or_default().parse::<Answered>() {
        Ok(answered) => delivery.attempt.is_some_and(|attempt| attempt <= answered.attempt),
        Err(_) => true,
    }
}

fn waits(record: &TaskRecord) -> bool {
    let options = record.options.as_deref().map(codec::from_slice::<TaskOptions>);
    options.and_then(|options| options.ok()?.posted).is_some_and(|posted| posted.sender_waits())
}

/// Waits for the outcome of a delivery that is stored.
async fn outcome(parts: &Parts, id: TaskId, sender: Sender) -> Result<Told> {
    let handle = parts.executor.client.handle::<()>(id);
    let answer = match sender {
        Sender::Waits => {
            let stopping = parts.stopper.stopping();
            let over = async {
                // When all attempts have ended, this one has, or will not any more.
                stopping.await;
                tokio::time::sleep(SETTLING).await;
            };
            tokio::select! {
                record = handle.finished() => Answer::of(&record?),
                () = over => Answer::Unavailable("this program is stopping; the task is kept, and runs at its next start"),
            }
        }
        Sender::Gone => {
            let mut backoff = Backoff::new(Duration::from_millis(5), NO_HURRY);
            loop {
                let record = handle.record().await?;
                let wait = backoff.next();
                if wait >= NO_HURRY || record.state.is_finished() || record.state == TaskState::Held {
                    break Answer::of(&record);
                }
                tokio::time::sleep(wait).await;
            }
        }
    };
    Ok(Told(answer, Some(id)))
}

/// Whether this program has the function and understands the arguments. Decodes, and runs nothing.
fn can_run(parts: &Parts, delivery: &Delivery) -> Result<bool> {
    let claim = claim(delivery, pack(&delivery.options(Sender::Waits))?);
    Ok(!matches!(parts.executor.resolve(claim), Err(Transition::Hold { .. })))
}

/// The delivery as if a worker had claimed it.
pub(super) fn claim(delivery: &Delivery, options: Vec<u8>) -> Claim {
    Claim {
        fence: Fence::new(TaskId::new(), 1, false),
        attempt: 1,
        crashes: 0,
        age: Duration::ZERO,
        queue: QUEUE.to_owned(),
        name: None,
        priority: 0,
        eta: std::time::SystemTime::now().into(),
        options: Some(options),
        payload: delivery.payload.to_vec(),
        retry: None,
    }
}

pub(super) fn pack(options: &TaskOptions) -> Result<Vec<u8>> {
    codec::to_vec(options).map_err(|error| Error::with_source(Kind::Encode, "cannot pack the options", error))
}
