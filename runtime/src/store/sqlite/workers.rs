//! Workers come, beat, and go. The lease is the worker's, not the task's: one row is renewed however much it holds.

use rusqlite::params;

use super::fault::fault;
use super::session::Session;
use crate::error::Result;
use crate::store::{Enlist, WorkerId, stale_lease};

const ENLIST: &str = "INSERT INTO delay_worker(name, enlisted, lease, lease_until, functions)
    VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id";

const BEAT: &str = "UPDATE delay_worker SET lease_until = ?2 + lease WHERE id = ?1";

/// What a worker that leaves in order has not finished goes back, its attempts unspent.
const GIVE_BACK: &str = "UPDATE delay_run SET worker = NULL, started = 0, attempt = max(0, attempt - 1)
    WHERE worker = ?1 RETURNING seq";

impl Session {
    pub(super) fn enlist(&mut self, worker: &Enlist) -> Result<WorkerId> {
        // A lease without end must leave room for the time that is added to it.
        let lease = i64::try_from(worker.lease.as_micros()).unwrap_or(i64::MAX).min(i64::MAX / 4);
        let now = self.now.as_micros();
        let until = now + lease;
        let functions = worker.functions.join("\n");
        let id = self
            .statement(ENLIST)?
            .query_row(params![worker.name, now, lease, until, functions], |row| row.get(0))
            .map(WorkerId)
            .map_err(|error| fault("enlist a worker", error))?;
        self.after.enlisted.push(id);
        Ok(id)
    }

    pub(super) fn beat(&mut self, worker: WorkerId) -> Result<()> {
        let changed = self
            .statement(BEAT)?
            .execute(params![worker.0, self.now.as_micros()])
            .map_err(|error| fault("renew a lease", error))?;
        if changed == 0 { Err(stale_lease()) } else { Ok(()) }
    }

    pub(super) fn retire(&mut self, worker: WorkerId) -> Result<()> {
        let given_back: Vec<i64> = self
            .statement(GIVE_BACK)?
            .query_map([worker.0], |row| row.get(0))
            .and_then(Iterator::collect)
            .map_err(|error| fault("give tasks back", error))?;
        given_back.iter().try_for_each(|row| self.make_ready(*row))?;
        self.recount_limits()?;
        self.after.wake |= !given_back.is_empty();
        self.forget(worker)
    }

    /// Removes the worker's row: from here on nothing that it writes counts.
    pub(super) fn forget(&mut self, worker: WorkerId) -> Result<()> {
        self.statement("DELETE FROM delay_worker WHERE id = ?1")?
            .execute([worker.0])
            .map_err(|error| fault("forget a worker", error))?;
        self.after.gone.push(worker);
        Ok(())
    }
}
