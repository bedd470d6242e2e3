//! Configured queues: what they let claims take, and the tasks of those that are pulled from.

use std::time::Duration;

use super::tables::{Row, Tables};
use super::{MemoryStore, answer};
use crate::error::Result;
use crate::id::TaskId;
use crate::outcome::Transition;
use crate::queues::{Change, QueueConfig, TokenBucket};
use crate::store::{
    Forgotten, LeaseEnd, LeaseEnded, LeaseOrder, LeaseTo, Limit, Pending, QueueBook, QueueDesk, QueueEdit,
    QueueStats, Retention, Tagged, TaskRecord, Terms, check_pull, exhausted_text, is_exhausted,
};
use crate::task::TaskState;
use crate::time::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);

/// A configured queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) config: QueueConfig,
    bucket: TokenBucket,
}

impl Tables {
    pub(super) fn queue_configs(&self) -> Vec<QueueConfig> {
        self.queues.values().map(|queue| queue.config.clone()).collect()
    }

    pub(super) fn configure(&mut self, edit: &QueueEdit, now: Timestamp) -> Vec<Change> {
        let changes = edit.changes(&self.queue_configs());
        for change in &changes {
            let before = self.queues.remove(change.queue());
            if let Some(config) = change.outcome(before.as_ref().map(|queue| &queue.config)) {
                let before = before.and_then(|queue| queue.config.throttle().zip(Some(queue.bucket)));
                let bucket = Terms::of(&config).bucket(before, now);
                self.queues.insert(config.name.clone(), Queue { config, bucket });
            }
        }
        changes
    }

    pub(super) fn limit(&self, queue: &str) -> Option<Limit> {
        let Queue { config, bucket } = self.queues.get(queue)?;
        let running = self.running_in.get(queue).copied().unwrap_or(0);
        Some(Limit { terms: Terms::of(config), bucket: *bucket, running })
    }

    /// So many tasks of a queue are claimed.
    pub(super) fn take_tokens(&mut self, queue: &str, count: usize, now: Timestamp) {
        let Some(mut limit) = self.limit(queue) else { return };
        limit.took(count, now);
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.bucket = limit.bucket;
        }
    }

    pub(super) fn lease(
        &mut self,
        order: &LeaseOrder,
        retention: &Retention,
        now: Timestamp,
    ) -> Result<Vec<TaskRecord>> {
        let retry = check_pull(&order.queue, self.config_of(&order.queue))?.retry;
        self.promote(now, usize::MAX);
        let ready = self.ready.get(&order.queue).into_iter().flatten();
        let mut due: Vec<(Timestamp, String, TaskId, Option<String>)> = ready
            .filter_map(|(_, eta, id)| {
                let record = &self.rows.get(id)?.record;
                Some((*eta, key(record), *id, record.tag.clone()))
            })
            .collect();
        due.sort_unstable();
        let tag = match &order.tag {
            Tagged::Any => None,
            Tagged::With(tag) => Some(Some(tag.clone())),
            Tagged::LikeTheEarliest => due.first().map(|(.., tag)| tag.clone()),
        };
        let mut leased = Vec::new();
        for (_, _, id, found) in due {
            if leased.len() == order.most {
                break;
            }
            if tag.as_ref().is_some_and(|tag| *tag != found) {
                continue;
            }
            let Some(Row { record, first_claim, .. }) = self.rows.get(&id) else { continue };
            let (attempts, age) =
                (record.attempt, first_claim.map_or(Duration::ZERO, |first| now.since(first)));
            if is_exhausted(record.options.as_deref(), retry, attempts, age) {
                self.apply(id, Transition::Fail { error: exhausted_text(attempts) }, retention, now);
            } else {
                leased.extend(self.hand_out(id, now, order.length));
            }
        }
        Ok(leased)
    }

    fn hand_out(&mut self, id: TaskId, now: Timestamp, length: Duration) -> Option<TaskRecord> {
        self.leave(id);
        let row = self.rows.get_mut(&id)?;
        row.first_claim.get_or_insert(now);
        row.record.attempt += 1;
        row.record.epoch += 1;
        row.record.eta = now.after(length);
        self.enter(id, TaskState::Scheduled);
        self.rows.get(&id).map(|row| row.record.clone())
    }

    pub(super) fn settle_leases(
        &mut self,
        queue: &str,
        settle: Vec<LeaseEnd>,
        retention: &Retention,
        now: Timestamp,
    ) -> Result<Vec<LeaseEnded>> {
        check_pull(queue, self.config_of(queue))?;
        Ok(settle.into_iter().map(|end| self.settle_lease(queue, &end, retention, now)).collect())
    }

    fn settle_lease(
        &mut self,
        queue: &str,
        end: &LeaseEnd,
        retention: &Retention,
        now: Timestamp,
    ) -> LeaseEnded {
        let Some(record) = self.rows.get(&end.id).map(|row| &row.record) else { return LeaseEnded::Lost };
        let holds = record.state == TaskState::Scheduled
            && record.queue == queue
            && (record.epoch, record.attempt > 0) == (end.epoch, true)
            && record.eta > now;
        match end.to {
            _ if !holds => LeaseEnded::Lost,
            LeaseTo::Done => {
                self.apply(end.id, Transition::Succeed(None), retention, now);
                LeaseEnded::Done
            }
            LeaseTo::Last(length) => {
                self.leave(end.id);
                let until = now.after(length);
                if let Some(row) = self.rows.get_mut(&end.id) {
                    row.record.eta = until;
                }
                self.enter(end.id, if length.is_zero() { TaskState::Ready } else { TaskState::Scheduled });
                LeaseEnded::Until(until)
            }
        }
    }

    pub(super) fn forget(
        &mut self,
        queue: &str,
        name: &str,
        retention: &Retention,
        now: Timestamp,
    ) -> Forgotten {
        let id = match self.names.get(&(queue.to_owned(), name.to_owned())) {
            Some(taken) => match taken.until {
                None => taken.holder,
                Some(until) if until > now => return Forgotten::Tombstoned,
                Some(_) => return Forgotten::Unknown,
            },
            None => match name.parse() {
                Ok(id) => id,
                Err(_) => return Forgotten::Unknown,
            },
        };
        let Some(record) = self.rows.get(&id).map(|row| &row.record) else { return Forgotten::Unknown };
        match record.state {
            _ if record.queue != queue || key(record) != name => Forgotten::Unknown,
            state if state.is_finished() => Forgotten::Tombstoned,
            TaskState::Running => {
                self.cancels.insert(id);
                Forgotten::Asked
            }
            _ => {
                self.remove(id, retention, now);
                Forgotten::Done
            }
        }
    }

    fn remove(&mut self, id: TaskId, retention: &Retention, now: Timestamp) {
        self.leave(id);
        self.bury_name(id, Duration::ZERO, retention, now);
        self.rows.remove(&id);
        self.ended.push(id);
    }

    pub(super) fn purge(&mut self, queue: &str, batch: usize, retention: &Retention, now: Timestamp) -> u64 {
        let pending = self.rows.values().map(|row| &row.record);
        let pending = pending.filter(|record| record.queue == queue && !record.state.is_finished());
        let (running, waiting): (Vec<_>, Vec<_>) = pending
            .map(|record| (record.id, record.state))
            .partition(|(_, state)| *state == TaskState::Running);
        self.cancels.extend(running.into_iter().map(|(id, _)| id));
        let waiting: Vec<_> = waiting.into_iter().take(batch).collect();
        for (id, _) in &waiting {
            self.remove(*id, retention, now);
        }
        waiting.len() as u64
    }

    pub(super) fn queue_stats(&self, queue: &str, now: Timestamp) -> QueueStats {
        let mut stats = QueueStats::default();
        let config = self.config_of(queue);
        for record in self.rows.values().map(|row| &row.record).filter(|record| record.queue == queue) {
            if !record.state.is_finished() {
                stats.tasks += 1;
                stats.oldest_eta = Some(stats.oldest_eta.map_or(record.eta, |eta| eta.min(record.eta)));
            }
            let leased = config.is_some_and(|config| config.mode == crate::queues::Mode::Pull)
                && record.state == TaskState::Scheduled
                && record.attempt > 0
                && record.eta > now;
            stats.in_flight += u64::from(leased || record.state == TaskState::Running);
            let ended = matches!(record.state, TaskState::Succeeded | TaskState::Failed);
            let lately = record.finished.is_some_and(|finished| finished > now.before(MINUTE));
            stats.executed_last_minute += u64::from(ended && lately);
        }
        stats.enforced_rate = config.and_then(QueueConfig::enforced_rate);
        stats
    }

    fn config_of(&self, queue: &str) -> Option<&QueueConfig> {
        self.queues.get(queue).map(|queue| &queue.config)
    }
}

impl QueueBook for MemoryStore {
    fn queue_configs(&self) -> Pending<'_, Vec<QueueConfig>> {
        answer(self.open().map(|tables| tables.queue_configs()))
    }

    fn queue_stats(&self, queues: Vec<String>) -> Pending<'_, Vec<QueueStats>> {
        let now = self.clock.now();
        let stats = |tables: &Tables| queues.iter().map(|queue| tables.queue_stats(queue, now)).collect();
        answer(self.open().map(|tables| stats(&tables)))
    }
}

impl QueueDesk for MemoryStore {
    fn configure(&self, edit: QueueEdit) -> Pending<'_, Vec<Change>> {
        self.at_desk(|tables, _, now| Ok(tables.configure(&edit, now)))
    }

    fn lease(&self, order: LeaseOrder) -> Pending<'_, Vec<TaskRecord>> {
        self.at_desk(|tables, retention, now| tables.lease(&order, retention, now))
    }

    fn settle_leases(&self, queue: String, settle: Vec<LeaseEnd>) -> Pending<'_, Vec<LeaseEnded>> {
        self.at_desk(|tables, retention, now| tables.settle_leases(&queue, settle, retention, now))
    }

    fn forget(&self, queue: String, names: Vec<String>) -> Pending<'_, Vec<Forgotten>> {
        self.at_desk(|tables, retention, now| {
            Ok(names.iter().map(|name| tables.forget(&queue, name, retention, now)).collect())
        })
    }

    fn purge(&self, queue: String, batch: usize) -> Pending<'_, u64> {
        self.at_desk(|tables, retention, now| Ok(tables.purge(&queue, batch, retention, now)))
    }
}

impl MemoryStore {
    /// Does something, and tells those who wait.
    fn at_desk<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Tables, &Retention, Timestamp) -> Result<T>,
    ) -> Pending<'_, T> {
        let now = self.clock.now();
        let mut tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        let done = act(&mut tables, &self.retention, now);
        let ended = std::mem::take(&mut tables.ended);
        drop(tables);
        self.signals.wake();
        self.signals.finish(&ended);
        answer(done)
    }
}

/// What a task goes by in its queue: its name, or its id.
fn key(record: &TaskRecord) -> String {
    record.name.clone().unwrap_or_else(|| record.id.to_string())
}
