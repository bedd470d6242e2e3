//! A worker's turn: settle what has ended, bring forward what is due, claim what is ready.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Row, params};

use super::fault::fault;
use super::limits::Limits;
use super::session::Session;
use crate::error::Result;
use crate::store::share::take_fairly;
use crate::store::{Claim, Fence, Queues, Turn, Turned, WorkerId, stale_lease};
use crate::task::TaskId;
use crate::time::Timestamp;

/// A loose scan: one seek per queue that has ready tasks.
const READY_QUEUES: &str = "WITH RECURSIVE open(queue) AS (
        SELECT (SELECT min(queue) FROM delay_ready)
        UNION ALL
        SELECT (SELECT min(queue) FROM delay_ready WHERE queue > open.queue) FROM open
        WHERE open.queue IS NOT NULL)
    SELECT queue, name FROM open JOIN delay_queue ON number = queue ORDER BY name";

/// The next of a queue, in the order of `delay_ready`.
const NEXT: &str =
    "SELECT ready.seq, ready.priority, ready.eta, id, name, options, payload, epoch, attempt, crashes, first_claim
    FROM delay_ready AS ready CROSS JOIN delay_task AS task ON task.seq = ready.seq
    LEFT JOIN delay_run AS run ON run.seq = ready.seq
    WHERE ready.queue = ?1 ORDER BY ready.priority, ready.eta, ready.seq LIMIT ?2";

/// All of a queue up to a place in its order; the transaction holds the write lock, so they are those that were read.
const CLAIM: &str = "INSERT INTO delay_run(seq, worker, epoch, attempt, first_claim)
    SELECT seq, ?5, 1, 1, ?6 FROM delay_ready WHERE queue = ?1 AND (priority, eta, seq) <= (?2, ?3, ?4)
    ON CONFLICT(seq) DO UPDATE SET worker = excluded.worker, epoch = epoch + 1, attempt = attempt + 1, started = 0,
    first_claim = coalesce(first_claim, excluded.first_claim)";

const LEAVE: &str = "DELETE FROM delay_ready WHERE queue = ?1 AND (priority, eta, seq) <= (?2, ?3, ?4)";

const NEXT_DUE: &str = "SELECT min(eta) FROM delay_scheduled";

/// More due tasks than this wait for the next turn.
const PROMOTED_PER_TURN: usize = 10_000;

impl Session {
    pub(super) fn turn(&mut self, turn: &Turn) -> Result<Turned> {
        if !self.is_enlisted(turn.worker)? {
            return Err(stale_lease());
        }
        let mut limits = self.limits()?;
        let settled = self.settle(turn.worker, &turn.settle, &mut limits)?;
        let cancels = self.honour_cancels(turn.worker)?;
        let mut next = self.next_due()?;
        let mut claims = Vec::new();
        if turn.want > 0 {
            if next == Some(Duration::ZERO) {
                self.promote(PROMOTED_PER_TURN)?;
                next = self.next_due()?;
            }
            let wait;
            (claims, wait) = self.claim(turn.worker, turn.want, &turn.queues, &mut limits)?;
            next = next.into_iter().chain(wait).min();
        }
        self.keep_limits(&limits)?;
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

    fn claim(
        &mut self,
        worker: WorkerId,
        want: usize,
        queues: &Queues,
        limits: &mut Limits,
    ) -> Result<(Vec<Claim>, Option<Duration>)> {
        let mut open = match queues {
            Queues::All => self.ready_queues()?,
            Queues::Only(queues) => self.numbered(queues)?,
        };
        open.retain(|(number, _)| limits.of(*number).is_none_or(|limited| limited.limit.admits(queues)));
        self.claims = self.claims.wrapping_add(1);
        let mut claims = Vec::with_capacity(want.min(1024));
        take_fairly(&open, self.claims, want, |(number, queue), n| {
            let mut taken = match limits.of(*number).map(|limited| limited.limit.room(self.now)) {
                Some(0) => Vec::new(),
                room => self
                    .claim_of(worker, *number, queue, n.min(room.unwrap_or(n)))
                    .map_err(|error| fault("claim tasks", error))?,
            };
            limits.claimed(*number, &mut taken, self.now);
            let count = taken.len();
            claims.extend(taken);
            Ok(count)
        })?;
        claims.sort_unstable_by_key(|claim| (claim.priority, claim.eta, claim.fence.id));
        let wait = self.wait_for_limits(limits, &open)?;
        Ok((claims, wait))
    }

    /// Claims the next `n` of a queue.
    fn claim_of(&self, worker: WorkerId, number: i64, queue: &str, n: usize) -> rusqlite::Result<Vec<Claim>> {
        let claims: Vec<_> = self
            .connection
            .prepare_cached(NEXT)?
            .query_map(params![number, n as i64], |row| self.read_claim(row, queue))?
            .collect::<rusqlite::Result<_>>()?;
        if let Some(last) = claims.last() {
            let Claim { fence, priority, eta, .. } = last;
            let (eta, now) = (eta.as_micros(), self.now.as_micros());
            let mut claim = self.connection.prepare_cached(CLAIM)?;
            claim.execute(params![number, priority, eta, fence.row, worker.0, now])?;
            self.connection.prepare_cached(LEAVE)?.execute(params![number, priority, eta, fence.row])?;
        }
        Ok(claims)
    }

    fn ready_queues(&self) -> Result<Vec<(i64, String)>> {
        self.statement(READY_QUEUES)?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect)
            .map_err(|error| fault("look for ready queues", error))
    }

    /// The queues that there are, of these.
    fn numbered(&mut self, queues: &[String]) -> Result<Vec<(i64, String)>> {
        let number = |queue: &String| {
            let found = self.queues.find(&self.connection, queue);
            found.map(|number| number.map(|number| (number, queue.clone()))).transpose()
        };
        let numbered = queues.iter().filter_map(number).collect::<rusqlite::Result<_>>();
        numbered.map_err(|error| fault("look for queues", error))
    }

    /// The task as it will be once it is claimed.
    fn read_claim(&self, row: &Row<'_>, queue: &str) -> rusqlite::Result<Claim> {
        let name: Option<String> = row.get(4)?;
        let (epoch, attempt): (Option<i64>, Option<u32>) = (row.get(7)?, row.get(8)?);
        let first: Option<i64> = row.get(10)?;
        Ok(Claim {
            fence: Fence {
                id: TaskId::from_bytes(row.get(3)?),
                epoch: epoch.unwrap_or(0) + 1,
                named: name.is_some(),
                row: row.get(0)?,
                large: false,
                limit: 0,
            },
            attempt: attempt.unwrap_or(0) + 1,
            crashes: row.get::<_, Option<u32>>(9)?.unwrap_or(0),
            age: first.map_or(Duration::ZERO, |first| self.now.since(Timestamp::from_micros(first))),
            queue: queue.to_owned(),
            name,
            priority: row.get(1)?,
            eta: Timestamp::from_micros(row.get(2)?),
            retry: None,
            options: row.get(5)?,
            payload: row.get(6)?,
        })
    }
}
