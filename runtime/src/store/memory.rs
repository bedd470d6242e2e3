//! The store without a disk: for tests, and for work that may be lost with the process. One mutex over plain maps,
//! never held across an await; the clock may be virtual.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    Acted, Action, Checkpoints, Count, Enlist, Fence, Filter, Inspect, Order, Pending, Pushed, Rescue,
    Retention, Settled, Store, TaskRecord, Turn, Turned, Upkeep, UpkeepRules, Upkept, WorkerId, WorkerRecord,
};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::id::TaskId;
use crate::signals::Signals;
use crate::task::{Task, TaskState};
use crate::time::Timestamp;

mod actions;
mod queues;
mod tables;
mod upkeep;

use tables::{Tables, Worker};

/// The memory store.
#[derive(Debug, Default)]
pub struct MemoryStore {
    clock: Clock,
    retention: Retention,
    signals: Signals,
    tables: Mutex<Tables>,
}

impl MemoryStore {
    /// An empty store that goes by `clock`.
    #[must_use]
    pub fn new(clock: Clock, retention: Retention) -> Self {
        Self { clock, retention, ..Self::default() }
    }

    /// As [`Store::push`], at once.
    pub(crate) fn push_now(&self, tasks: Vec<Task>) -> Result<Vec<Pushed>> {
        let now = self.clock.now();
        let mut tables = self.open()?;
        let pushed = tasks.into_iter().map(|task| tables.push(task, now)).collect();
        drop(tables);
        self.signals.wake();
        Ok(pushed)
    }

    /// As [`Store::enlist`], at once.
    pub(crate) fn enlist_now(&self, worker: Enlist) -> WorkerId {
        let now = self.clock.now();
        let mut tables = self.tables();
        tables.last_worker += 1;
        let id = WorkerId(tables.last_worker);
        let Enlist { name, lease, functions } = worker;
        let record = WorkerRecord { id, name, enlisted: now, lease_until: now.after(lease), functions };
        tables.workers.insert(id, Worker { record, lease });
        id
    }

    /// What is inside, unless the store is closed.
    fn open(&self) -> Result<MutexGuard<'_, Tables>> {
        let tables = self.tables();
        if tables.closed { Err(Error::new(Kind::Unavailable, "the store is closed")) } else { Ok(tables) }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // A panic inside leaves the maps whole enough: each verb changes one task at a time.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer<'a, T: Send + 'a>(value: Result<T>) -> Pending<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Store for MemoryStore {
    fn push(&self, tasks: Vec<Task>) -> Pending<'_, Vec<Pushed>> {
        answer(self.push_now(tasks))
    }

    fn enlist(&self, worker: Enlist) -> Pending<'_, WorkerId> {
        answer(self.open().map(drop).map(|()| self.enlist_now(worker)))
    }

    fn turn(&self, turn: Turn) -> Pending<'_, Turned> {
        let now = self.clock.now();
        let mut tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        if !tables.workers.contains_key(&turn.worker) {
            return answer(Err(super::stale_lease()));
        }
        let settled = turn
            .settle
            .into_iter()
            .map(|settlement| tables.settle(turn.worker, settlement, &self.retention, now))
            .collect();
        let cancels = tables.honour_cancels(turn.worker, &self.retention, now);
        let (mut claims, mut wait) = (Vec::new(), None);
        if turn.want > 0 {
            tables.promote(now, usize::MAX);
            (claims, wait) = tables.claim(turn.worker, turn.want, &turn.queues, now);
        }
        let next = tables.scheduled.first().map(|(eta, _)| eta.since(now));
        let next = next.into_iter().chain(wait).min();
        let ended = std::mem::take(&mut tables.ended);
        let woken = std::mem::take(&mut tables.woken);
        drop(tables);
        if woken {
            self.signals.wake();
        }
        self.signals.finish(&ended);
        answer(Ok(Turned { settled, claims, next, cancels }))
    }

    fn start(&self, fences: Vec<Fence>) -> Pending<'_, Vec<Settled>> {
        let mut tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        let started = fences
            .into_iter()
            .map(|fence| match tables.running(fence) {
                Some(row) => {
                    row.started = true;
                    Settled::Applied
                }
                None => Settled::Stale,
            })
            .collect();
        answer(Ok(started))
    }

    fn beat(&self, worker: WorkerId) -> Pending<'_, ()> {
        let now = self.clock.now();
        let mut tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        answer(match tables.workers.get_mut(&worker) {
            Some(worker) => {
                worker.record.lease_until = now.after(worker.lease);
                Ok(())
            }
            None => Err(super::stale_lease()),
        })
    }

    fn retire(&self, worker: WorkerId) -> Pending<'_, ()> {
        let mut tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        if tables.workers.remove(&worker).is_some() {
            tables.take_back(worker, None);
        }
        drop(tables);
        self.signals.wake();
        answer(Ok(()))
    }

    fn now(&self) -> Pending<'_, Timestamp> {
        answer(Ok(self.clock.now()))
    }

    fn signals(&self) -> &Signals {
        &self.signals
    }

    fn close(&self) -> Pending<'_, ()> {
        self.tables().closed = true;
        answer(Ok(()))
    }
}

impl Checkpoints for MemoryStore {
    fn checkpoint(&self, fence: Fence, bytes: Option<Vec<u8>>) -> Pending<'_, Settled> {
        if let Err(error) = super::check_size(bytes.as_ref()) {
            return answer(Err(error));
        }
        let mut tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        answer(Ok(match tables.running(fence) {
            Some(row) => {
                row.checkpoint = bytes;
                Settled::Applied
            }
            None => Settled::Stale,
        }))
    }

    fn snapshot(&self, id: TaskId) -> Pending<'_, Option<Vec<u8>>> {
        let tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        answer(Ok(tables.rows.get(&id).and_then(|row| row.checkpoint.clone())))
    }

    fn suspends(&self, ids: Vec<TaskId>) -> Pending<'_, Vec<TaskId>> {
        let tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        let asked = |id: &TaskId| tables.rows.get(id).is_some_and(|row| row.suspend);
        answer(Ok(ids.into_iter().filter(asked).collect()))
    }
}

impl Inspect for MemoryStore {
    fn get(&self, ids: Vec<TaskId>) -> Pending<'_, Vec<Option<TaskRecord>>> {
        let tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        answer(Ok(ids.iter().map(|id| tables.rows.get(id).map(|row| row.record.clone())).collect()))
    }

    fn list(&self, filter: Filter) -> Pending<'_, Vec<TaskRecord>> {
        let tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        let lets_through = |record: &&TaskRecord| {
            filter.state.is_none_or(|state| record.state == state)
                && filter.queue.as_ref().is_none_or(|queue| record.queue == *queue)
                && filter.name.as_ref().is_none_or(|name| record.name.as_ref() == Some(name))
                && filter.payload_prefix.as_ref().is_none_or(|prefix| record.payload.starts_with(prefix))
                && filter.beyond.is_none_or(|beyond| match filter.order {
                    Order::OldestFirst => record.id > beyond,
                    Order::NewestFirst => record.id < beyond,
                })
        };
        let records = tables.rows.values().map(|row| &row.record);
        let listed = match filter.order {
            Order::OldestFirst => records.filter(lets_through).take(filter.limit).cloned().collect(),
            Order::NewestFirst => records.rev().filter(lets_through).take(filter.limit).cloned().collect(),
        };
        answer(Ok(listed))
    }

    fn counts(&self) -> Pending<'_, Vec<Count>> {
        let tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        let mut sums: BTreeMap<(String, TaskState), u64> = BTreeMap::new();
        for record in tables.rows.values().map(|row| &row.record) {
            *sums.entry((record.queue.clone(), record.state)).or_default() += 1;
        }
        let counts = sums.into_iter().map(|((queue, state), tasks)| Count { queue, state, tasks }).collect();
        answer(Ok(counts))
    }

    fn workers(&self) -> Pending<'_, Vec<WorkerRecord>> {
        let tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        let now = self.clock.now();
        let alive = tables.workers.values().filter(|worker| worker.record.lease_until >= now);
        answer(Ok(alive.map(|worker| worker.record.clone()).collect()))
    }
}

impl Upkeep for MemoryStore {
    fn upkeep(&self, rules: UpkeepRules) -> Pending<'_, Upkept> {
        let now = self.clock.now();
        let mut tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        let promoted = tables.promote(now, rules.batch);
        let (rescued, quarantined) = match rules.rescue {
            Rescue::Now => tables.rescue(now, &rules),
            Rescue::AfterTheNextBeats => (0, 0),
        };
        let pruned = tables.prune(now, rules.batch);
        drop(tables);
        if promoted + rescued > 0 {
            self.signals.wake();
        }
        let more = promoted.max(pruned) >= rules.batch as u64;
        answer(Ok(Upkept { promoted, rescued, quarantined, pruned, more }))
    }

    fn act(&self, action: Action, ids: Vec<TaskId>) -> Pending<'_, Vec<Acted>> {
        let now = self.clock.now();
        let mut tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return answer(Err(error)),
        };
        let acted = ids.iter().map(|id| tables.act(action, *id, &self.retention, now)).collect();
        let ended = std::mem::take(&mut tables.ended);
        drop(tables);
        self.signals.wake();
        self.signals.finish(&ended);
        answer(Ok(acted))
    }
}
