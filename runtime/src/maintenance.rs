//! What a runtime does beside running tasks: upkeep of the store, and letting go of held tasks that can run again.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::backoff::Backoff;
use crate::error::Result;
use crate::executor::Executor;
use crate::outcome::Hold;
use crate::stopper::Stopper;
use crate::store::{Action, Claim, Fence, Filter, Rescue, Store, TaskRecord, UpkeepRules};
use crate::task::{TaskId, TaskState};

/// How often the store is tended: a dead worker's tasks run again within the lease and this.
const EVERY: Duration = Duration::from_millis(500);

/// A wall clock that moves by this much more or less than time itself has jumped.
const JUMP: Duration = Duration::from_secs(2);

/// How long after a walk through the held tasks the next one begins: what this program can run it has let go of, and
/// others do not add to them often.
const BETWEEN_WALKS: Duration = Duration::from_secs(5);

/// How many held tasks are looked at at a time.
const PAGE: usize = 500;

/// Tends a store until the stopper stops.
pub(crate) async fn tend(
    store: Arc<dyn Store>,
    executor: Arc<Executor>,
    stopper: Stopper,
    lease: Duration,
    rules: UpkeepRules,
) {
    let mut backoff = Backoff::new(EVERY, Duration::from_secs(10));
    let mut watch = ClockWatch::new(lease);
    // At once: after a crash, the tasks of the process before are waiting.
    let mut wait = Duration::ZERO;
    let mut held = HeldWalk::default();
    let mut next_walk = Instant::now();
    loop {
        tokio::select! {
            () = stopper.quiescing() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let rules = UpkeepRules { rescue: watch.look(), ..rules };
        if Instant::now() >= next_walk {
            match held.step(&*store, &executor).await {
                Ok(true) => {}
                Ok(false) => next_walk = Instant::now() + BETWEEN_WALKS,
                Err(error) => {
                    tracing::error!(error = error.chain(), "held tasks could not be looked at; trying again");
                }
            }
        }
        wait = match store.upkeep(rules).await {
            Ok(upkept) => {
                backoff.reset();
                if upkept.rescued > 0 {
                    tracing::warn!(
                        tasks = upkept.rescued,
                        held = upkept.quarantined,
                        "took tasks of dead workers back"
                    );
                }
                if upkept.more { Duration::ZERO } else { EVERY }
            }
            Err(error) => {
                tracing::error!(error = error.chain(), "the upkeep of the store failed; trying again");
                backoff.next()
            }
        };
    }
}

/// Notices when the wall clock jumps, and waits until each living worker has renewed its lease by the new time.
struct ClockWatch {
    lease: Duration,
    last: (Instant, SystemTime),
    rescue_after: Option<Instant>,
}

impl ClockWatch {
    fn new(lease: Duration) -> Self {
        Self { lease, last: (Instant::now(), SystemTime::now()), rescue_after: None }
    }

    fn look(&mut self) -> Rescue {
        let now = (Instant::now(), SystemTime::now());
        let passed = now.0 - self.last.0;
        let shown = now.1.duration_since(self.last.1).unwrap_or_default();
        if shown.abs_diff(passed) > JUMP {
            tracing::warn!(?passed, ?shown, "the clock has jumped: leases count again after the next beats");
            self.rescue_after = Some(now.0 + self.lease);
        }
        self.last = now;
        if self.rescue_after.is_some_and(|time| now.0 < time) {
            return Rescue::AfterTheNextBeats;
        }
        self.rescue_after = None;
        Rescue::Now
    }
}

/// Goes through the held tasks, a page at a time, and lets go of those that this program can run: held for want of a
/// function, or of one that understands them.
#[derive(Debug, Default)]
pub(crate) struct HeldWalk {
    beyond: Option<TaskId>,
}

impl HeldWalk {
    /// Looks at the next page; `false` at the end, where it begins anew.
    pub(crate) async fn step(&mut self, store: &dyn Store, executor: &Executor) -> Result<bool> {
        let state = Some(TaskState::Held);
        let page =
            store.list(Filter { state, beyond: self.beyond, limit: PAGE, ..Filter::default() }).await?;
        self.beyond = page.last().map(|record| record.id);
        let runnable: Vec<TaskId> =
            page.into_iter().filter(is_for_a_worker).filter_map(|record| runs(record, executor)).collect();
        if !runnable.is_empty() {
            tracing::info!(
                tasks = runnable.len(),
                "held tasks can run again: this program has their functions"
            );
            store.act(Action::Release, runnable).await?;
        }
        Ok(self.beyond.is_some())
    }
}

fn is_for_a_worker(record: &TaskRecord) -> bool {
    matches!(record.hold, Some(Hold::UnknownFunction | Hold::Undecodable))
}

fn runs(record: TaskRecord, executor: &Executor) -> Option<TaskId> {
    let id = record.id;
    let claim = Claim {
        fence: Fence::new(id, record.epoch, record.name.is_some()),
        attempt: record.attempt,
        crashes: record.crashes,
        age: Duration::ZERO,
        queue: record.queue,
        name: record.name,
        priority: record.priority,
        eta: record.eta,
        retry: None,
        options: record.options,
        payload: record.payload,
    };
    // Resolving decodes the arguments and runs nothing.
    executor.resolve(claim).is_ok().then_some(id)
}
