//! What time does to the tables: the due become ready, the dead workers' tasks are taken back, the old go.

use super::tables::Tables;
use crate::id::TaskId;
use crate::outcome::Hold;
use crate::store::{UpkeepRules, WorkerId, crash_text};
use crate::task::TaskState;
use crate::time::Timestamp;

impl Tables {
    pub(super) fn promote(&mut self, now: Timestamp, limit: usize) -> u64 {
        let due: Vec<TaskId> =
            self.scheduled.iter().take_while(|(eta, _)| *eta <= now).take(limit).map(|(_, id)| *id).collect();
        for id in &due {
            self.leave(*id);
            self.enter(*id, TaskState::Ready);
        }
        due.len() as u64
    }

    pub(super) fn take_back(&mut self, worker: WorkerId, max_crashes: Option<u32>) -> (u64, u64) {
        let held: Vec<TaskId> = self
            .rows
            .iter()
            .filter(|(_, row)| row.record.state == TaskState::Running && row.record.worker == Some(worker))
            .map(|(id, _)| *id)
            .collect();
        let mut quarantined = 0;
        for id in &held {
            self.leave(*id);
            let Some(row) = self.rows.get_mut(id) else { continue };
            let record = &mut row.record;
            record.attempt = record.attempt.saturating_sub(1);
            record.worker = None;
            let mut state = TaskState::Ready;
            if let Some(max_crashes) = max_crashes {
                if record.crashes == 0 || row.started {
                    record.crashes += 1;
                }
                if record.crashes >= max_crashes {
                    record.hold = Some(Hold::Crashes);
                    record.error = Some(crash_text(record.crashes));
                    state = TaskState::Held;
                    quarantined += 1;
                }
            }
            row.started = false;
            self.enter(*id, state);
        }
        (held.len() as u64, quarantined)
    }

    pub(super) fn rescue(&mut self, now: Timestamp, rules: &UpkeepRules) -> (u64, u64) {
        let dead: Vec<WorkerId> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.record.lease_until < now)
            .map(|(id, _)| *id)
            .collect();
        let mut sums = (0, 0);
        for id in dead {
            self.workers.remove(&id);
            let (rescued, quarantined) = self.take_back(id, Some(rules.max_crashes));
            sums = (sums.0 + rescued, sums.1 + quarantined);
        }
        sums
    }

    pub(super) fn prune(&mut self, now: Timestamp, limit: usize) -> u64 {
        let old: Vec<_> =
            self.expiring.iter().take_while(|(at, _)| *at <= now).take(limit).copied().collect();
        for entry in &old {
            self.expiring.remove(entry);
            self.rows.remove(&entry.1);
        }
        self.names.retain(|_, name| name.until.is_none_or(|until| until > now));
        old.len() as u64
    }
}
