//! The maps, and what each verb does to them. One lock is held around every call; the caller hands in the time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::queues::Queue;
use crate::id::TaskId;
use crate::outcome::Transition;
use crate::store::share::take_fairly;
use crate::store::{
    Action, Claim, Fence, Pushed, Queues, Retention, Settled, Settlement, TaskRecord, WorkerId, WorkerRecord,
};
use crate::task::{Task, TaskState};
use crate::time::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) rows: BTreeMap<TaskId, Row>,
    pub(super) ready: BTreeMap<String, BTreeSet<(i16, Timestamp, TaskId)>>,
    pub(super) scheduled: BTreeSet<(Timestamp, TaskId)>,
    pub(super) expiring: BTreeSet<(Timestamp, TaskId)>,
    pub(super) names: HashMap<(String, String), Name>,
    pub(super) workers: BTreeMap<WorkerId, Worker>,
    pub(super) cancels: HashSet<TaskId>,
    pub(super) closed: bool,
    /// Tasks may have become claimable; to be signalled.
    pub(super) woken: bool,
    /// Came to their end; to be signalled.
    pub(super) ended: Vec<TaskId>,
    pub(super) last_worker: i64,
    pub(super) queues: BTreeMap<String, Queue>,
    /// How many tasks of each queue run.
    pub(super) running_in: HashMap<String, u64>,
    turns: usize,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) record: TaskRecord,
    pub(super) first_claim: Option<Timestamp>,
    pub(super) started: bool,
    expires: Option<Timestamp>,
    /// What a program that was suspended has left.
    pub(super) checkpoint: Option<Vec<u8>>,
    /// Somebody wants it suspended.
    pub(super) suspend: bool,
}

#[derive(Debug)]
pub(super) struct Name {
    pub(super) holder: TaskId,
    pub(super) until: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) record: WorkerRecord,
    pub(super) lease: Duration,
}

impl Tables {
    pub(super) fn enter(&mut self, id: TaskId, state: TaskState) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        row.record.state = state;
        let record = &row.record;
        match state {
            TaskState::Ready => {
                let queue = self.ready.entry(record.queue.clone()).or_default();
                queue.insert((record.priority, record.eta, id));
            }
            TaskState::Scheduled => {
                self.scheduled.insert((record.eta, id));
            }
            TaskState::Running => *self.running_in.entry(record.queue.clone()).or_default() += 1,
            _ => {}
        }
    }

    pub(super) fn leave(&mut self, id: TaskId) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        let record = &row.record;
        match record.state {
            TaskState::Ready => {
                if let Some(queue) = self.ready.get_mut(&record.queue) {
                    queue.remove(&(record.priority, record.eta, id));
                    if queue.is_empty() {
                        self.ready.remove(&record.queue);
                    }
                }
            }
            TaskState::Scheduled => {
                self.scheduled.remove(&(record.eta, id));
            }
            TaskState::Running => {
                if let Some(count) = self.running_in.get_mut(&record.queue) {
                    *count = count.saturating_sub(1);
                }
            }
            _ => {}
        }
        if let Some(expires) = row.expires.take() {
            self.expiring.remove(&(expires, id));
        }
    }

    pub(super) fn push(&mut self, task: Task, now: Timestamp) -> Pushed {
        if self.rows.contains_key(&task.id) {
            return Pushed::Added;
        }
        if let Some(name) = &task.name {
            let key = (task.queue.clone().into_owned(), name.clone());
            match self.names.get(&key) {
                Some(taken) if taken.until.is_none_or(|until| until > now) => {
                    return Pushed::of_name(taken.holder, task.id);
                }
                _ => self.names.insert(key, Name { holder: task.id, until: None }),
            };
        }
        let eta = task.due.eta(now);
        let record = TaskRecord {
            id: task.id,
            queue: task.queue.into_owned(),
            name: task.name,
            tag: task.tag,
            state: TaskState::Ready,
            priority: task.priority,
            eta,
            attempt: 0,
            epoch: 0,
            crashes: 0,
            created: now,
            finished: None,
            worker: None,
            hold: None,
            error: None,
            options: task.options,
            payload: task.payload,
            result: None,
        };
        let state = if eta > now { TaskState::Scheduled } else { TaskState::Ready };
        let row = Row {
            record,
            first_claim: None,
            started: false,
            expires: None,
            checkpoint: None,
            suspend: false,
        };
        self.rows.insert(task.id, row);
        self.enter(task.id, state);
        Pushed::Added
    }

    pub(super) fn running(&mut self, fence: Fence) -> Option<&mut Row> {
        self.rows
            .get_mut(&fence.id)
            .filter(|row| row.record.state == TaskState::Running && row.record.epoch == fence.epoch)
    }

    pub(super) fn settle(
        &mut self,
        worker: WorkerId,
        settlement: Settlement,
        retention: &Retention,
        now: Timestamp,
    ) -> Settled {
        let Settlement { fence, transition } = settlement;
        let running = self.running(fence).filter(|row| row.record.worker == Some(worker));
        let Some(row) = running else { return Settled::Stale };
        row.record.worker = None;
        row.started = false;
        let queue = row.record.queue.clone();
        self.woken |= self.limit(&queue).is_some_and(|limit| limit.is_full());
        self.apply(fence.id, transition, retention, now);
        Settled::Applied
    }

    pub(super) fn apply(
        &mut self,
        id: TaskId,
        transition: Transition,
        retention: &Retention,
        now: Timestamp,
    ) {
        self.leave(id);
        let (keep, least) = (retention.keep(&transition), retention.bury_at_least(&transition));
        let Some(row) = self.rows.get_mut(&id) else { return };
        let record = &mut row.record;
        let state = match transition {
            Transition::Succeed(kept) => {
                record.result = kept.map(|kept| kept.value);
                TaskState::Succeeded
            }
            Transition::Fail { error } => {
                record.error = Some(error);
                TaskState::Failed
            }
            Transition::Cancel { reason } => {
                record.hold = None;
                record.error = Some(reason);
                TaskState::Cancelled
            }
            Transition::Retry { wait, error } => {
                record.error = Some(error);
                record.eta = now.after(wait);
                waiting(wait)
            }
            Transition::Snooze { wait } => {
                record.attempt = record.attempt.saturating_sub(1);
                record.eta = now.after(wait);
                waiting(wait)
            }
            Transition::Refund => {
                record.attempt = record.attempt.saturating_sub(1);
                TaskState::Ready
            }
            Transition::Hold { hold, error } => {
                record.attempt = record.attempt.saturating_sub(1);
                record.hold = Some(hold);
                record.error = Some(error);
                TaskState::Held
            }
        };
        row.suspend &= !matches!(state, TaskState::Held);
        if let Some(keep) = keep {
            row.suspend = false;
            row.checkpoint = None;
            record.finished = Some(now);
            let expires = now.after(keep);
            row.expires = Some(expires);
            self.expiring.insert((expires, id));
            self.bury_name(id, least, retention, now);
            self.ended.push(id);
        }
        self.woken |= matches!(state, TaskState::Ready | TaskState::Scheduled);
        self.enter(id, state);
    }

    /// Starts the tombstone time of a task's name, its queue's if that says one.
    pub(super) fn bury_name(&mut self, id: TaskId, least: Duration, retention: &Retention, now: Timestamp) {
        let Some(record) = self.rows.get(&id).map(|row| &row.record) else { return };
        if let Some(name) = &record.name {
            let tombstone =
                self.queues.get(&record.queue).map_or(retention.tombstone, |queue| queue.config.tombstone);
            let key = (record.queue.clone(), name.clone());
            if let Some(name) = self.names.get_mut(&key).filter(|name| name.holder == id) {
                name.until = Some(now.after(tombstone.max(least)));
            }
        }
    }

    /// Cancels what was asked to be cancelled while it ran and came back to wait; answers what `worker` still runs.
    pub(super) fn honour_cancels(
        &mut self,
        worker: WorkerId,
        retention: &Retention,
        now: Timestamp,
    ) -> Vec<TaskId> {
        let mut asked = Vec::new();
        for id in std::mem::take(&mut self.cancels) {
            let Some((state, runner)) = self.rows.get(&id).map(|row| (row.record.state, row.record.worker))
            else {
                continue;
            };
            if state == TaskState::Running {
                self.cancels.insert(id);
                asked.extend((runner == Some(worker)).then_some(id));
            } else if !state.is_finished() {
                self.act(Action::Cancel, id, retention, now);
            }
        }
        asked
    }

    pub(super) fn claim(
        &mut self,
        worker: WorkerId,
        want: usize,
        queues: &Queues,
        now: Timestamp,
    ) -> (Vec<Claim>, Option<Duration>) {
        let mut open: Vec<String> = match queues {
            Queues::All => self.ready.keys().cloned().collect(),
            Queues::Only(queues) => queues.to_vec(),
        };
        open.retain(|queue| self.limit(queue).is_none_or(|limit| limit.admits(queues)));
        self.turns = self.turns.wrapping_add(1);
        let mut ids = Vec::new();
        let taken = take_fairly(&open, self.turns, want, |queue, n| {
            let n = self.limit(queue).map_or(n, |limit| limit.room(now).min(n));
            let first: Vec<_> = self.ready.get(queue).into_iter().flatten().take(n).copied().collect();
            self.take_tokens(queue, first.len(), now);
            for (_, _, id) in &first {
                self.leave(*id);
                self.enter(*id, TaskState::Running);
            }
            ids.extend(first.iter().copied());
            Ok::<_, std::convert::Infallible>(first.len())
        });
        let Ok(()) = taken;
        ids.sort_unstable();
        let waits = open.iter().filter(|queue| self.ready.contains_key(*queue));
        let wait = waits.filter_map(|queue| self.limit(queue)?.wait(now)).min();
        (ids.into_iter().filter_map(|(_, _, id)| self.hand_over(id, worker, now)).collect(), wait)
    }

    fn hand_over(&mut self, id: TaskId, worker: WorkerId, now: Timestamp) -> Option<Claim> {
        let row = self.rows.get_mut(&id)?;
        let first = *row.first_claim.get_or_insert(now);
        let record = &mut row.record;
        record.attempt += 1;
        record.epoch += 1;
        record.worker = Some(worker);
        record.hold = None;
        Some(Claim {
            fence: Fence::new(id, record.epoch, record.name.is_some()),
            attempt: record.attempt,
            crashes: record.crashes,
            age: now.since(first),
            queue: record.queue.clone(),
            name: record.name.clone(),
            priority: record.priority,
            eta: record.eta,
            retry: self.queues.get(&record.queue).and_then(|queue| queue.config.retry),
            options: record.options.clone(),
            payload: record.payload.clone(),
        })
    }
}

fn waiting(wait: Duration) -> TaskState {
    if wait.is_zero() { TaskState::Ready } else { TaskState::Scheduled }
}
