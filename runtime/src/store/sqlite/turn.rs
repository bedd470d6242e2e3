//! A worker's turn: settle what has ended, bring forward what is due, claim what is ready.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Row, params};

use super::fault::fault;
use super::session::Session;
use crate::error::Result;
use crate::store::share::take_fairly;
use crate::store::{Claim, Fence, Queues, Turn, Turned, WorkerId, stale_lease};
use crate::task::TaskId;
use crate::time::Timestamp;

/// A loose scan: one seek in the ready index per queue that has ready tasks.
const READY_QUEUES: &str = "WITH RECURSIVE open(queue) AS (
        SELECT (SELECT min(queue) FROM delay_task WHERE state = 0)
        UNION ALL
        SELECT (SELECT min(queue) FROM delay_task WHERE state = 0 AND queue > open.queue) FROM open
        WHERE open.queue IS NOT NULL)
    SELECT queue FROM open WHERE queue IS NOT NULL";

/// Walks `delay_task_ready`. Reading first and then writing row by row is a fifth faster than `UPDATE … RETURNING`,
/// which keeps a copy of all that it returns; the transaction holds the write lock, so nothing comes between.
const READY: &str =
    "SELECT seq, id, epoch, attempt, crashes, first_claim, queue, name, priority, eta, options, payload
    FROM delay_task WHERE state = 0 AND queue = ?1 ORDER BY priority, eta, seq LIMIT ?2";

const CLAIM: &str =
    "UPDATE delay_task SET state = 2, worker = ?2, started = 0, hold = NULL, attempt = ?3, epoch = ?4,
    first_claim = coalesce(first_claim, ?5) WHERE seq = ?1";

/// Walks `delay_task_scheduled`.
const PROMOTE: &str = "UPDATE delay_task SET state = 0
    WHERE seq IN (SELECT seq FROM delay_task WHERE state = 1 AND eta <= ?1 ORDER BY eta LIMIT ?2)";

const NEXT_DUE: &str = "SELECT min(eta) FROM delay_task WHERE state = 1";

/// More due tasks than this wait for the next turn.
const PROMOTED_PER_TURN: usize = 10_000;

impl Session {
    pub(super) fn turn(&mut self, turn: &Turn) -> Result<Turned> {
        if !self.is_enlisted(turn.worker)? {
            return Err(stale_lease());
        }
        let settled = self.settle(&turn.settle)?;
        let cancels = self.honour_cancels(turn.worker)?;
        let mut next = self.next_due()?;
        let mut claims = Vec::new();
        if turn.want > 0 {
            if next == Some(Duration::ZERO) {
                self.promote(PROMOTED_PER_TURN)?;
                next = self.next_due()?;
            }
            claims = self.claim(turn.worker, turn.want, &turn.queues)?;
        }
        Ok(Turned { settled, claims, next, cancels })
    }

    fn is_enlisted(&self, worker: WorkerId) -> Result<bool> {
        self.statement("SELECT 1 FROM delay_worker WHERE id = ?1")?
            .exists([worker.0])
            .map_err(|error| fault("look for the worker", error))
    }

    fn next_due(&self) -> Result<Option<Duration>> {
        let eta: Option<i64> = self
            .statement(NEXT_DUE)?
            .query_row([], |row| row.get(0))
            .optional()
            .map_err(|error| fault("look for scheduled tasks", error))?
            .flatten();
        Ok(eta.map(|eta| Timestamp::from_micros(eta).since(self.now)))
    }

    /// Makes due tasks ready.
    pub(super) fn promote(&mut self, limit: usize) -> Result<u64> {
        let promoted = self
            .statement(PROMOTE)?
            .execute(params![self.now.as_micros(), limit as i64])
            .map_err(|error| fault("bring due tasks forward", error))?;
        Ok(promoted as u64)
    }

    fn claim(&mut self, worker: WorkerId, want: usize, queues: &Queues) -> Result<Vec<Claim>> {
        let open = match queues {
            Queues::All => self.ready_queues()?,
            Queues::Only(queues) => queues.to_vec(),
        };
        self.claims = self.claims.wrapping_add(1);
        let mut claims = Vec::with_capacity(want.min(1024));
        let mut ready = self.statement(READY)?;
        let mut claim = self.statement(CLAIM)?;
        take_fairly(&open, self.claims, want, |queue, n| {
            let before = claims.len();
            (|| {
                let mut rows = ready.query(params![queue, n as i64])?;
                while let Some(row) = rows.next()? {
                    claims.push(self.read_claim(row)?);
                }
                for Claim { fence, attempt, .. } in &claims[before..] {
                    claim.execute(params![
                        fence.row,
                        worker.0,
                        attempt,
                        fence.epoch,
                        self.now.as_micros()
                    ])?;
                }
                Ok(claims.len() - before)
            })()
            .map_err(|error| fault("claim tasks", error))
        })?;
        claims.sort_unstable_by_key(|claim| (claim.priority, claim.eta, claim.fence.id));
        Ok(claims)
    }

    fn ready_queues(&self) -> Result<Vec<String>> {
        self.statement(READY_QUEUES)?
            .query_map([], |row| row.get(0))
            .and_then(Iterator::collect)
            .map_err(|error| fault("look for ready queues", error))
    }

    /// The row as it will be once it is claimed.
    fn read_claim(&self, row: &Row<'_>) -> rusqlite::Result<Claim> {
        let name: Option<String> = row.get(7)?;
        let (id, epoch, attempt): (_, i64, u32) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let first: Option<i64> = row.get(5)?;
        Ok(Claim {
            fence: Fence {
                id: TaskId::from_bytes(id),
                epoch: epoch + 1,
                named: name.is_some(),
                row: row.get(0)?,
            },
            attempt: attempt + 1,
            crashes: row.get(4)?,
            age: first.map_or(Duration::ZERO, |first| self.now.since(Timestamp::from_micros(first))),
            queue: row.get(6)?,
            name,
            priority: row.get(8)?,
            eta: Timestamp::from_micros(row.get(9)?),
            options: row.get(10)?,
            payload: row.get(11)?,
        })
    }
}
