//! What suspended programs leave, and the wish that a running one be suspended: two tables of their own, so that plain
//! tasks pay nothing. A row of either is its task's by key and id, for a key may be another task's later.
//!
//! Both are swept by upkeep when their task has ended, rather than with its end: that would be a statement more for each
//! of the tasks that never had a row here.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::fault::fault;
use super::key;
use super::session::Session;
use crate::error::Result;
use crate::store::{Fence, Settled};
use crate::task::TaskId;

/// Fenced: nothing unless this very task runs under this very epoch.
const KEEP: &str = "INSERT OR REPLACE INTO delay_checkpoint(seq, id, saved, bytes)
    SELECT run.seq, task.id, ?4, ?5 FROM delay_run AS run JOIN delay_task AS task ON task.seq = run.seq
    WHERE run.seq = ?1 AND run.epoch = ?2 AND run.worker IS NOT NULL AND task.id = ?3";

const RUNS: &str = "SELECT 1 FROM delay_run AS run JOIN delay_task AS task ON task.seq = run.seq
    WHERE run.seq = ?1 AND run.epoch = ?2 AND run.worker IS NOT NULL AND task.id = ?3";

/// What has ended has left nothing, swept or not.
const READ: &str = "SELECT bytes FROM delay_checkpoint WHERE seq = ?1 AND id = ?2
    AND NOT EXISTS (SELECT 1 FROM delay_done AS done WHERE done.seq = ?1)";

const FORGET: &str = "DELETE FROM delay_checkpoint WHERE seq = ?1";

const ASK: &str =
    "INSERT OR REPLACE INTO delay_suspend(seq, id) SELECT seq, id FROM delay_task WHERE seq = ?1";

const UNASK: &str = "DELETE FROM delay_suspend WHERE seq = ?1";

/// Walks the table itself, which is small.
const SWEEP: [&str; 2] = [
    "DELETE FROM delay_checkpoint WHERE EXISTS (SELECT 1 FROM delay_done AS done WHERE done.seq = delay_checkpoint.seq)
    OR NOT EXISTS (SELECT 1 FROM delay_task AS task WHERE task.seq = delay_checkpoint.seq AND task.id = delay_checkpoint.id)",
    "DELETE FROM delay_suspend WHERE EXISTS (SELECT 1 FROM delay_done AS done WHERE done.seq = delay_suspend.seq)
    OR NOT EXISTS (SELECT 1 FROM delay_task AS task WHERE task.seq = delay_suspend.seq AND task.id = delay_suspend.id)",
];

impl Session {
    pub(super) fn checkpoint(&self, fence: Fence, bytes: Option<&[u8]>) -> Result<Settled> {
        let id = fence.id.as_bytes();
        let applied = match bytes {
            Some(bytes) => self
                .statement(KEEP)?
                .execute(params![fence.row, fence.epoch, id, self.now.as_micros(), bytes])
                .map_err(|error| fault("keep a checkpoint", error))?
                .eq(&1),
            None => {
                let runs = self
                    .statement(RUNS)?
                    .exists(params![fence.row, fence.epoch, id])
                    .map_err(|error| fault("look for a running task", error))?;
                if runs {
                    self.forget_checkpoint(fence.row)?;
                }
                runs
            }
        };
        Ok(if applied { Settled::Applied } else { Settled::Stale })
    }

    /// The task begins anew, or is gone.
    pub(super) fn forget_checkpoint(&self, row: i64) -> Result<()> {
        self.write(FORGET, [row])?;
        self.unask_suspend(row)
    }

    /// Somebody wants the running task suspended.
    pub(super) fn ask_suspend(&self, row: i64) -> Result<()> {
        self.write(ASK, [row])
    }

    /// It is, or is not to be any more.
    pub(super) fn unask_suspend(&self, row: i64) -> Result<()> {
        self.write(UNASK, [row])
    }

    /// Removes what ended tasks have left.
    pub(super) fn sweep_checkpoints(&self) -> Result<()> {
        SWEEP.iter().try_for_each(|sql| self.write(sql, []))
    }
}

pub(super) fn snapshot(connection: &Connection, id: TaskId) -> Result<Option<Vec<u8>>> {
    (|| {
        let Some(row) = key::find(connection, id)? else { return Ok(None) };
        connection.prepare_cached(READ)?.query_row(params![row, id.as_bytes()], |row| row.get(0)).optional()
    })()
    .map_err(|error| fault("read a checkpoint", error))
}

pub(super) fn suspends(connection: &Connection, mut ids: Vec<TaskId>) -> Result<Vec<TaskId>> {
    let asked = connection.prepare_cached("SELECT id FROM delay_suspend").and_then(|mut statement| {
        statement
            .query_map([], |row| row.get(0).map(TaskId::from_bytes))?
            .collect::<rusqlite::Result<HashSet<TaskId>>>()
    });
    let asked = asked.map_err(|error| fault("look for tasks to suspend", error))?;
    ids.retain(|id| asked.contains(id));
    Ok(ids)
}
