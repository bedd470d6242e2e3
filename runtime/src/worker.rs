//! The worker: claims tasks, keeps as many running as it may, and settles what they come to. One loop owns all of its
//! state; attempts report to it, and it alone talks to the store, in turns (settle and claim, one round trip).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::outcome::{Outcome, Transition};
use crate::retry::Retry;
use crate::state::{Attempted, Policy, decide};
use crate::stopper::{Stopper, Unavailable};
use crate::store::{Claim, Enlist, Queues, Settled, Settlement, Store, Turn, Turned, WorkerId};
use crate::task::TaskId;

mod ahead;
mod beat;
mod ended;
mod lanes;
mod leave;
mod pace;
mod report;
mod vital;

use ahead::{Ahead, MOST_AT_ONCE};
use ended::Ended;
use lanes::{Lanes, Sent};
use pace::Pace;
use report::{End, Report, Slot};
pub(crate) use vital::Pulses;
use vital::{Probe, Vital};

/// How a worker works.
#[derive(Clone, Debug)]
pub(crate) struct WorkerConfig {
    pub(crate) name: String,
    /// The most attempts at once.
    pub(crate) concurrency: usize,
    /// May change while it works; then the store's signal has to be given.
    pub(crate) queues: watch::Receiver<Queues>,
    /// How long it may be silent before its tasks go to others.
    pub(crate) lease: Duration,
}

/// What makes a turn worth while though others are on their way, or would be larger a moment later: so many tasks to
/// settle or to claim.
const WORTH_A_TURN: usize = 500;

/// How long what has ended waits for more to be settled with, while there is work at hand.
const SETTLE_WITHIN: Duration = Duration::from_millis(5);

/// A worker that is about to run.
pub(crate) struct Worker {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) stopper: Stopper,
    pub(crate) config: WorkerConfig,
}

struct Running {
    epoch: i64,
    ctx: Context,
    attempt: AbortHandle,
}

impl Worker {
    /// Begins to work, under the stopper and in the background, as one of the workers that `pulses` asks.
    pub(crate) fn start(self, name: &'static str, pulses: &Pulses) -> Result<(), Unavailable> {
        let (stopper, probes) = (self.stopper.clone(), pulses.add(&self.config.name));
        stopper.run_worker(name, self.run(probes)).map(drop)
    }

    /// Works until the stopper stops, then leaves nothing behind.
    async fn run(self, probes: mpsc::Receiver<Probe>) {
        let (reports, inbox) = mpsc::unbounded_channel();
        let Some(id) = self.enlist().await else { return };
        let mut state = Loop {
            id,
            beat: beat::start(&self, id),
            ahead: Ahead::default(),
            running: HashMap::new(),
            cancelling: HashSet::new(),
            busy: 0,
            ended: Ended::default(),
            dry: false,
            woken: false,
            last_claim: 0,
            turns: 0,
            pace: Pace::default(),
            next_due: None,
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(5)),
            not_before: None,
            in_trouble: false,
            lanes: Lanes::default(),
            reports,
            worker: self,
        };
        state.run(inbox, probes).await;
    }

    /// Makes the worker known; `None` if the stopper stops first.
    async fn enlist(&self) -> Option<WorkerId> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        loop {
            let enlist = Enlist {
                name: self.config.name.clone(),
                lease: self.config.lease,
                functions: self.executor.identities(),
            };
            match self.store.enlist(enlist).await {
                Ok(id) => return Some(id),
                Err(error) => {
                    tracing::error!(error = error.chain(), "the worker cannot enlist; it will try again")
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next()) => {}
                () = self.stopper.quiescing() => return None,
            }
        }
    }
}

struct Loop {
    worker: Worker,
    id: WorkerId,
    beat: beat::Beat,
    ahead: Ahead,
    running: HashMap<TaskId, Running>,
    /// Running tasks that were dropped because somebody wants them cancelled.
    cancelling: HashSet<TaskId>,
    /// Slots taken.
    busy: usize,
    ended: Ended,
    /// The last claim found less than it wanted: nothing more until a signal.
    dry: bool,
    /// There was a signal since the last claim was sent: what it did not find may have come after it looked.
    woken: bool,
    /// The number of the turn that claimed last.
    last_claim: u64,
    turns: u64,
    pace: Pace,
    next_due: Option<Instant>,
    backoff: Backoff,
    /// The store was in trouble: no turn before this.
    not_before: Option<Instant>,
    /// The last turn failed.
    in_trouble: bool,
    lanes: Lanes,
    reports: mpsc::UnboundedSender<Report>,
}

impl Loop {
    async fn run(&mut self, mut inbox: mpsc::UnboundedReceiver<Report>, mut probes: mpsc::Receiver<Probe>) {
        let stopper = self.worker.stopper.clone();
        let (quiescing, stopping) = (stopper.quiescing(), stopper.stopping());
        tokio::pin!(quiescing, stopping);
        let mut signal = self.worker.store.signals().subscribe();
        let mut buffer = Vec::new();
        let mut open = true;
        loop {
            if open {
                self.begin_attempts();
            } else {
                self.give_back();
            }
            while let Some(sent) = self.next_turn(open) {
                if sent.want > 0 {
                    signal.mark_unchanged();
                    self.woken = false;
                    self.last_claim = sent.number;
                }
                self.lanes.send(sent);
            }
            let wake = self.wake_at();
            tokio::select! {
                biased;
                _ = inbox.recv_many(&mut buffer, 4096) => {
                    buffer.drain(..).for_each(|report| self.note(report));
                }
                (sent, answer) = self.lanes.answer() => self.turned(sent, answer).await,
                () = &mut quiescing, if open => open = false,
                () = &mut stopping, if !open => break,
                _ = signal.changed(), if open => self.look_again(),
                // Whoever has asked may not wait any more.
                Some(probe) = probes.recv() => drop(probe.send(self.vital())),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    if self.next_due.is_some_and(|due| due <= Instant::now()) {
                        self.next_due = None;
                        self.look_again();
                    }
                }
            }
        }
        self.leave(inbox).await;
    }

    /// A task may have become claimable, or the store wants to tell something.
    fn look_again(&mut self) {
        self.dry = false;
        self.woken = true;
    }

    fn wake_at(&self) -> Option<Instant> {
        let retry = if self.has_lane() { self.not_before } else { None };
        // While turns are on their way, their answers are what to wait for.
        let settle = if self.lanes.busy() == 0 && retry.is_none() { self.ended.since() } else { None };
        [self.next_due, retry, settle.map(|since| since + SETTLE_WITHIN)].into_iter().flatten().min()
    }

    fn has_lane(&self) -> bool {
        self.lanes.busy() < self.worker.store.lanes()
    }

    fn vital(&self) -> Vital {
        let concurrency = self.worker.config.concurrency;
        Vital { in_trouble: self.in_trouble, running: self.busy, concurrency }
    }

    fn free(&self) -> usize {
        self.worker.config.concurrency.saturating_sub(self.busy)
    }

    fn begin_attempts(&mut self) {
        while self.free() > 0 && !self.ended.is_full() {
            let Some(claim) = self.ahead.claims.pop_front() else { return };
            self.begin(claim);
        }
    }

    fn begin(&mut self, claim: Claim) {
        let fence = claim.fence;
        let job = match self.worker.executor.resolve(claim) {
            Ok(job) => job,
            Err(transition) => {
                if let Transition::Hold { error, .. } = &transition {
                    tracing::warn!(task = %fence.id, error, "a task is held");
                }
                self.ended.push(Settlement { fence, transition });
                return;
            }
        };
        let ctx = job.ctx.clone();
        let slot = Slot(self.reports.clone());
        let end = End::new(fence, self.reports.clone());
        let executor = Arc::clone(&self.worker.executor);
        self.busy += 1;
        // Boxed: on its way into the runtime's hands it is moved many times.
        let attempt = Box::pin(async move { end.decided(executor.run(job, slot).await) });
        // Refused by the stopper, the attempt is dropped, and its drop reports that.
        if let Ok(attempt) = self.worker.stopper.run_async_task(ctx.function(), attempt) {
            self.pace.begin();
            let attempt = attempt.abort_handle();
            self.running.insert(fence.id, Running { epoch: fence.epoch, ctx, attempt });
        }
    }

    fn note(&mut self, report: Report) {
        match report {
            Report::Freed => self.busy -= 1,
            Report::Ended(fence, transition) => {
                if self.running.get(&fence.id).is_some_and(|running| running.epoch == fence.epoch) {
                    self.running.remove(&fence.id);
                }
                let cancelled = self.cancelling.remove(&fence.id);
                let transition = transition.unwrap_or_else(|| dropped(cancelled));
                self.ended.push(Settlement { fence, transition });
            }
        }
    }

    /// The next exchange with the store, if there is anything to exchange.
    fn next_turn(&mut self, open: bool) -> Option<Sent> {
        if !self.has_lane() || self.not_before.is_some_and(|time| time > Instant::now()) {
            return None;
        }
        self.not_before = None;
        let is_full = self.ended.is_full();
        let want = if open && !self.dry && !is_full { self.want() } else { 0 };
        let settles = self.settles(open);
        let worth = if self.lanes.busy() == 0 || is_full { 1 } else { WORTH_A_TURN };
        if want.max(if settles { self.ended.len() } else { 0 }) < worth {
            return None;
        }
        self.turns += 1;
        self.pace.send(self.lanes.busy(), self.worker.store.lanes());
        let (number, worker, settle) = (self.turns, self.id, self.ended.take());
        let queues = self.worker.config.queues.borrow().clone();
        let turn = Turn { worker, settle: settle.clone(), want, queues };
        let store = Arc::clone(&self.worker.store);
        let answer = Box::pin(async move { store.turn(turn).await });
        Some(Sent { number, worker, settle, want, answer })
    }

    /// Whether what has ended is to be settled now. While the worker has more than it can run at once, more of it ends in a
    /// moment; else somebody may be waiting for this very one.
    fn settles(&self, open: bool) -> bool {
        let Some(since) = self.ended.since() else { return false };
        let is_enough = self.ended.len() >= WORTH_A_TURN || self.ended.is_full();
        is_enough || self.ahead.claims.is_empty() || !open || since.elapsed() >= SETTLE_WITHIN
    }

    /// What the free slots can take, and ahead of them four times what will have begun when the answer is there, judged by
    /// other turns: slow tasks are left to other workers, fast ones are never waited for.
    fn want(&self) -> usize {
        let target = self.free() + (4 * self.pace.per_turn(self.lanes.busy())).min(self.ahead.most());
        let coming = self.ahead.claims.len() + self.lanes.want();
        let room = target.saturating_sub(coming);
        if room * 2 < target && room < WORTH_A_TURN { 0 } else { room.min(MOST_AT_ONCE) }
    }

    async fn turned(&mut self, sent: Sent, answer: Result<Turned>) {
        if sent.worker != self.id {
            // Sent before the lease was lost: all that it is about belongs to others.
            return;
        }
        match answer {
            Ok(turned) => {
                self.backoff.reset();
                self.in_trouble = false;
                for (settlement, settled) in sent.settle.iter().zip(&turned.settled) {
                    if *settled == Settled::Stale {
                        let task = settlement.fence.id;
                        tracing::warn!(%task, "an attempt's end came too late: its lease was lost, another counts");
                    }
                }
                // What an earlier claim did not find, a later one may have.
                let is_last = sent.want > 0 && sent.number == self.last_claim;
                if is_last {
                    self.dry = turned.claims.len() < sent.want && !self.woken;
                }
                self.ahead.add(turned.claims);
                let next = turned.next.map(|wait| Instant::now() + wait);
                // Only a claim looks at limits: what the last one said of them holds, whoever answers after it.
                self.next_due = if is_last { next } else { self.next_due.into_iter().chain(next).min() };
                turned.cancels.into_iter().for_each(|id| self.cancel(id));
            }
            Err(error) if error.is_stale_lease() => self.start_over().await,
            Err(error) => self.in_trouble(sent, &error),
        }
    }

    fn cancel(&mut self, id: TaskId) {
        self.ahead.claims.retain(|claim| {
            let cancelled = claim.fence.id == id;
            if cancelled {
                self.ended.push(Settlement { fence: claim.fence, transition: dropped(true) });
            }
            !cancelled
        });
        if let Some(running) = self.running.get(&id)
            && self.cancelling.insert(id)
        {
            running.ctx.cancel();
            running.attempt.abort();
        }
    }

    /// The store does not answer: nothing that ended is forgotten, and it is asked again.
    fn in_trouble(&mut self, sent: Sent, error: &Error) {
        let wait = self.backoff.next();
        tracing::error!(
            error = error.chain(),
            ?wait,
            unsettled = sent.settle.len(),
            "the store is in trouble"
        );
        self.in_trouble = true;
        self.ended.put_back(sent.settle);
        self.not_before = Some(Instant::now() + wait);
        self.dry = false;
    }

    /// The lease was lost: what runs here belongs to others. It is dropped, and the worker begins anew.
    async fn start_over(&mut self) {
        tracing::error!(
            worker = self.id.0,
            running = self.running.len(),
            "the lease was lost; starting over"
        );
        self.ahead.claims.clear();
        self.ended.clear();
        for running in self.running.values() {
            running.ctx.cancel();
            running.attempt.abort();
        }
        if let Some(id) = self.worker.enlist().await {
            self.id = id;
            self.beat = beat::start(&self.worker, id);
        }
        self.dry = false;
    }
}

/// What becomes of an attempt that was dropped on the way.
fn dropped(cancelled: bool) -> Transition {
    let outcome = if cancelled { Outcome::Cancelled } else { Outcome::Interrupted };
    let policy = Policy { retry: Retry::DEFAULT, keep_result: None };
    decide(outcome, Attempted { number: 1, age: Duration::ZERO }, &policy)
}
