//! What time does to tasks: the due become ready, the dead workers' are taken back, the old go.

use rusqlite::params;

use super::alive::Life;
use super::fault::fault;
use super::session::Session;
use crate::error::Result;
use crate::outcome::Hold;
use crate::store::{Rescue, UpkeepRules, Upkept, WorkerId, crash_text};

/// Nobody knows how far a dead process got. A task counts a crash if it had certainly begun (`started`), or if it is
/// the first time that a process dies under it; from then on its starts are noted before they happen.
const TAKE_BACK: &str = "UPDATE delay_task SET state = 0, worker = NULL, attempt = max(0, attempt - 1),
    crashes = crashes + (started = 1 OR crashes = 0), started = 0 WHERE state = 2 AND worker = ?1
    RETURNING id, crashes";

const QUARANTINE: &str = "UPDATE delay_task SET state = 3, hold = ?2, error = ?3 WHERE id = ?1";

/// Walks `delay_task_expires`.
const PRUNE: &str = "DELETE FROM delay_task
    WHERE id IN (SELECT id FROM delay_task WHERE expires <= ?1 ORDER BY expires LIMIT ?2)";

const PRUNE_NAMES: &str = "DELETE FROM delay_name
    WHERE (queue, name) IN (SELECT queue, name FROM delay_name WHERE until <= ?1 LIMIT ?2)";

impl Session {
    pub(super) fn upkeep(&mut self, rules: &UpkeepRules) -> Result<Upkept> {
        let promoted = self.promote(rules.batch)?;
        let (rescued, quarantined) = self.rescue(rules)?;
        let pruned = self.prune(PRUNE, rules.batch)?;
        self.prune(PRUNE_NAMES, rules.batch)?;
        self.wake |= promoted + rescued > 0;
        let more = promoted.max(pruned) >= rules.batch as u64;
        Ok(Upkept { promoted, rescued, quarantined, pruned, more })
    }

    fn rescue(&mut self, rules: &UpkeepRules) -> Result<(u64, u64)> {
        let workers: Vec<(i64, i64)> = self
            .statement("SELECT id, lease_until FROM delay_worker")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect)
            .map_err(|error| fault("look for dead workers", error))?;
        let mut sums = (0, 0);
        for (id, lease_until) in workers {
            let worker = WorkerId(id);
            let expired = lease_until < self.now.as_micros() && rules.rescue == Rescue::Now;
            if expired || self.alive.look(worker) == Life::Dead {
                let (rescued, quarantined) = self.take_back(worker, rules.max_crashes)?;
                sums = (sums.0 + rescued, sums.1 + quarantined);
            }
        }
        Ok(sums)
    }

    fn take_back(&mut self, worker: WorkerId, max_crashes: u32) -> Result<(u64, u64)> {
        let taken: Vec<([u8; 16], u32)> = self
            .statement(TAKE_BACK)?
            .query_map([worker.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect)
            .map_err(|error| fault("take a dead worker's tasks back", error))?;
        let mut quarantined = 0;
        for (id, crashes) in taken.iter().filter(|(_, crashes)| *crashes >= max_crashes) {
            self.statement(QUARANTINE)?
                .execute(params![id, Hold::Crashes as i64, crash_text(*crashes)])
                .map_err(|error| fault("hold a task", error))?;
            quarantined += 1;
        }
        self.forget(worker)?;
        tracing::warn!(
            worker = worker.0,
            tasks = taken.len(),
            quarantined,
            "took a dead worker's tasks back"
        );
        Ok((taken.len() as u64, quarantined))
    }

    fn prune(&self, sql: &str, limit: usize) -> Result<u64> {
        self.statement(sql)?
            .execute(params![self.now.as_micros(), limit as i64])
            .map(|pruned| pruned as u64)
            .map_err(|error| fault("remove what was kept long enough", error))
    }
}
