//! The store as a process sees it: what a context offers goes through the host, everything else is refused.

use std::fmt;
use std::sync::Arc;

use super::link::Link;
use super::word::{Answer, Ask, SentRecord, SentTask, acted_from_byte};
use crate::error::{Error, Kind};
use crate::id::TaskId;
use crate::queues::{Change, QueueConfig};
use crate::store::{
    Acted, Action, Checkpoints, Count, Enlist, Fence, Filter, Forgotten, Inspect, LeaseEnd, LeaseEnded,
    LeaseOrder, Pending, Pushed, QueueBook, QueueDesk, QueueEdit, QueueStats, Settled, Signals, Store,
    TaskRecord, Turn, Turned, Upkeep, UpkeepRules, Upkept, WorkerId, WorkerRecord,
};
use crate::task::Task;

pub(super) struct RemoteStore {
    link: Arc<Link>,
    signals: Signals,
}

impl RemoteStore {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link, signals: Signals::default() }
    }
}

impl fmt::Debug for RemoteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteStore")
    }
}

fn refused<T: Send + 'static>() -> Pending<'static, T> {
    let text = "a function in a process of its own can add tasks and ask after them; the store itself is out of reach";
    Box::pin(std::future::ready(Err(Error::new(Kind::Unavailable, text))))
}

fn unexpected() -> Error {
    Error::new(Kind::Decode, "the worker's answer is one to another question")
}

fn bytes(ids: &[TaskId]) -> Vec<[u8; 16]> {
    ids.iter().map(|id| *id.as_bytes()).collect()
}

impl Store for RemoteStore {
    fn push(&self, tasks: Vec<Task>) -> Pending<'_, Vec<Pushed>> {
        Box::pin(async move {
            let ask = Ask::Push(tasks.into_iter().map(SentTask::from).collect());
            let Answer::Pushed(taken) = self.link.ask(&ask).await? else { return Err(unexpected()) };
            let pushed = |taken: Option<[u8; 16]>| {
                taken.map_or(Pushed::Added, |id| Pushed::NameTaken(TaskId::from_bytes(id)))
            };
            Ok(taken.into_iter().map(pushed).collect())
        })
    }

    fn enlist(&self, _: Enlist) -> Pending<'_, WorkerId> {
        refused()
    }

    fn turn(&self, _: Turn) -> Pending<'_, Turned> {
        refused()
    }

    fn start(&self, _: Vec<Fence>) -> Pending<'_, Vec<Settled>> {
        refused()
    }

    fn beat(&self, _: WorkerId) -> Pending<'_, ()> {
        refused()
    }

    fn retire(&self, _: WorkerId) -> Pending<'_, ()> {
        refused()
    }

    fn signals(&self) -> &Signals {
        &self.signals
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Inspect for RemoteStore {
    fn get(&self, ids: Vec<TaskId>) -> Pending<'_, Vec<Option<TaskRecord>>> {
        Box::pin(async move {
            let Answer::Got(records) = self.link.ask(&Ask::Get(bytes(&ids))).await? else {
                return Err(unexpected());
            };
            Ok(records.into_iter().map(|record| record.and_then(SentRecord::record)).collect())
        })
    }

    fn list(&self, _: Filter) -> Pending<'_, Vec<TaskRecord>> {
        refused()
    }

    fn counts(&self) -> Pending<'_, Vec<Count>> {
        refused()
    }

    fn workers(&self) -> Pending<'_, Vec<WorkerRecord>> {
        refused()
    }
}

impl Upkeep for RemoteStore {
    fn upkeep(&self, _: UpkeepRules) -> Pending<'_, Upkept> {
        refused()
    }

    fn act(&self, action: Action, ids: Vec<TaskId>) -> Pending<'_, Vec<Acted>> {
        Box::pin(async move {
            let ask = Ask::Act(action.into(), bytes(&ids));
            let Answer::Acted(acted) = self.link.ask(&ask).await? else { return Err(unexpected()) };
            acted.into_iter().map(|byte| acted_from_byte(byte).ok_or_else(unexpected)).collect()
        })
    }
}

impl QueueBook for RemoteStore {
    fn queue_configs(&self) -> Pending<'_, Vec<QueueConfig>> {
        refused()
    }

    fn queue_stats(&self, _: Vec<String>) -> Pending<'_, Vec<QueueStats>> {
        refused()
    }
}

impl QueueDesk for RemoteStore {
    fn configure(&self, _: QueueEdit) -> Pending<'_, Vec<Change>> {
        refused()
    }

    fn lease(&self, _: LeaseOrder) -> Pending<'_, Vec<TaskRecord>> {
        refused()
    }

    fn settle_leases(&self, _: String, _: Vec<LeaseEnd>) -> Pending<'_, Vec<LeaseEnded>> {
        refused()
    }

    fn forget(&self, _: String, _: Vec<String>) -> Pending<'_, Vec<Forgotten>> {
        refused()
    }

    fn purge(&self, _: String, _: usize) -> Pending<'_, u64> {
        refused()
    }
}

impl Checkpoints for RemoteStore {
    fn checkpoint(&self, _: Fence, _: Option<Vec<u8>>) -> Pending<'_, Settled> {
        refused()
    }

    fn snapshot(&self, _: TaskId) -> Pending<'_, Option<Vec<u8>>> {
        refused()
    }

    fn suspends(&self, _: Vec<TaskId>) -> Pending<'_, Vec<TaskId>> {
        refused()
    }
}
