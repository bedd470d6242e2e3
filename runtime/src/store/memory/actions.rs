//! What an operator does to single tasks: retry, release, suspend, cancel, delete.

use super::tables::{Name, Tables};
use crate::id::TaskId;
use crate::outcome::{Hold, Transition};
use crate::store::{Acted, Action, Retention, TaskRecord};
use crate::task::TaskState;
use crate::time::Timestamp;

impl Tables {
    pub(super) fn act(&mut self, action: Action, id: TaskId, retention: &Retention, now: Timestamp) -> Acted {
        let Some(state) = self.rows.get(&id).map(|row| row.record.state) else { return Acted::Unknown };
        match (action, state) {
            (
                Action::Retry,
                TaskState::Held | TaskState::Failed | TaskState::Cancelled | TaskState::Scheduled,
            ) => self.revive(id, now),
            (Action::Release, TaskState::Held) => {
                if let Some(row) = self.rows.get_mut(&id) {
                    row.record.hold = None;
                }
                self.enter(id, TaskState::Ready);
                Acted::Done
            }
            (Action::Suspend, TaskState::Ready) => {
                self.leave(id);
                if let Some(row) = self.rows.get_mut(&id) {
                    row.record.hold = Some(Hold::Suspended);
                }
                self.enter(id, TaskState::Held);
                Acted::Done
            }
            (Action::Suspend, TaskState::Running) => {
                if let Some(row) = self.rows.get_mut(&id) {
                    row.suspend = true;
                }
                Acted::Asked
            }
            (Action::Cancel, TaskState::Ready | TaskState::Scheduled | TaskState::Held) => {
                let reason = "cancelled before it ran".to_owned();
                self.apply(id, Transition::Cancel { reason }, retention, now);
                Acted::Done
            }
            (Action::Cancel, TaskState::Running) => {
                self.cancels.insert(id);
                Acted::Asked
            }
            (Action::Delete, state) if state != TaskState::Running => {
                self.leave(id);
                self.ended.push(id);
                let removed = self.rows.remove(&id).map(|row| row.record);
                if let Some(TaskRecord { queue, name: Some(name), .. }) = removed {
                    let key = (queue, name);
                    if self.names.get(&key).is_some_and(|name| name.holder == id) {
                        self.names.remove(&key);
                    }
                }
                Acted::Done
            }
            (_, state) => Acted::Wrong(state),
        }
    }

    fn revive(&mut self, id: TaskId, now: Timestamp) -> Acted {
        self.leave(id);
        self.cancels.remove(&id);
        let Some(row) = self.rows.get_mut(&id) else { return Acted::Unknown };
        (row.first_claim, row.checkpoint, row.suspend) = (None, None, false);
        let record = &mut row.record;
        (record.attempt, record.crashes, record.eta) = (0, 0, now);
        (record.finished, record.hold) = (None, None);
        if let Some(name) = &record.name {
            let key = (record.queue.clone(), name.clone());
            let taken = self.names.entry(key).or_insert(Name { holder: id, until: None });
            if taken.holder == id {
                taken.until = None;
            }
        }
        self.enter(id, TaskState::Ready);
        Acted::Done
    }
}
