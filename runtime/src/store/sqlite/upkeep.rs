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
const TAKE_BACK: &str = "UPDATE delay_run SET worker = NULL, attempt = max(0, attempt - 1),
    crashes = crashes + (started = 1 OR crashes = 0), started = 0 WHERE worker = ?1 RETURNING seq, crashes";

const NOTE_CRASHES: &str = "UPDATE delay_run SET error = ?2 WHERE seq = ?1";

/// The pruner's hand goes round the table and looks at so many rows at a time.
const LOOK: &str =
    "SELECT max(seq), count(*) FROM (SELECT seq FROM delay_done WHERE seq > ?1 ORDER BY seq LIMIT ?2)";

const PRUNE_TASKS: &str = "DELETE FROM delay_task
    WHERE seq IN (SELECT seq FROM delay_done WHERE seq > ?1 AND seq <= ?2 AND expires <= ?3)";

const PRUNE: &str = "DELETE FROM delay_done WHERE seq > ?1 AND seq <= ?2 AND expires <= ?3";

/// The most looks per call: bounds how long the writer is kept from its work where there is little to remove.
const LOOKS: usize = 8;

const PRUNE_STRAYS: &str = "DELETE FROM delay_stray
    WHERE NOT EXISTS (SELECT 1 FROM delay_task WHERE delay_task.seq = delay_stray.seq AND delay_task.id = delay_stray.id)";

const PRUNE_NAMES: &str = "DELETE FROM delay_name
    WHERE (queue, name) IN (SELECT queue, name FROM delay_name WHERE until <= ?1 LIMIT ?2)";

impl Session {
    pub(super) fn upkeep(&mut self, rules: &UpkeepRules) -> Result<Upkept> {
        let promoted = self.promote(rules.batch)?;
        let (rescued, quarantined) = self.rescue(rules)?;
        self.recount_limits()?;
        let pruned = self.prune(rules.batch)?;
        self.prune_names(rules.batch)?;
        self.prune_strays()?;
        self.sweep_checkpoints()?;
        self.after.wake |= promoted + rescued > 0;
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
        let taken: Vec<(i64, u32)> = self
            .statement(TAKE_BACK)?
            .query_map([worker.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect)
            .map_err(|error| fault("take a dead worker's tasks back", error))?;
        let mut quarantined = 0;
        for (row, crashes) in &taken {
            if *crashes < max_crashes {
                self.make_ready(*row)?;
            } else {
                self.write(NOTE_CRASHES, params![row, crash_text(*crashes)])?;
                self.hold(*row, Hold::Crashes)?;
                quarantined += 1;
            }
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

    /// Removes what has been kept long enough. In a large table it may take the hand minutes to come by.
    fn prune(&mut self, batch: usize) -> Result<u64> {
        let mut pruned = 0;
        for _ in 0..LOOKS {
            let (last, seen) = self.look(batch)?;
            let Some(last) = last else {
                self.hand = i64::MIN;
                break;
            };
            let range = params![self.hand, last, self.now.as_micros()];
            self.write(PRUNE_TASKS, range)?;
            let deleted = self
                .statement(PRUNE)?
                .execute(range)
                .map_err(|error| fault("remove what was kept long enough", error))?;
            pruned += deleted as u64;
            self.hand = if seen < batch as i64 { i64::MIN } else { last };
            if self.hand == i64::MIN || pruned >= batch as u64 {
                break;
            }
        }
        Ok(pruned)
    }

    fn look(&self, batch: usize) -> Result<(Option<i64>, i64)> {
        self.statement(LOOK)?
            .query_row(params![self.hand, batch as i64], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|error| fault("look for what was kept long enough", error))
    }

    fn prune_strays(&self) -> Result<()> {
        self.statement(PRUNE_STRAYS)?
            .execute([])
            .map(drop)
            .map_err(|error| fault("forget where removed tasks were", error))
    }

    fn prune_names(&self, batch: usize) -> Result<()> {
        self.statement(PRUNE_NAMES)?
            .execute(params![self.now.as_micros(), batch as i64])
            .map(drop)
            .map_err(|error| fault("remove names whose time is over", error))
    }
}
