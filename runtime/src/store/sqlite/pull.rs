//! Tasks of queues that are pulled from. A leased task is a scheduled one: its eta is the end of its lease, so that it is
//! ready for others when that comes, and its epoch tells who leased it last.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};

use super::fault::fault;
use super::inspect::{RECORD, UUID, read_record};
use super::session::Session;
use crate::error::Result;
use crate::queues::QueueConfig;
use crate::store::{
    Forgotten, LeaseEnd, LeaseEnded, LeaseOrder, LeaseTo, Tagged, TaskRecord, check_pull, exhausted_text,
    is_exhausted,
};
use crate::task::{TaskId, TaskState};
use crate::time::Timestamp;

/// A loose scan: one seek per priority that there is; nearly always one.
const PRIORITIES: &str = "WITH RECURSIVE level(priority) AS (
        SELECT (SELECT min(priority) FROM delay_ready WHERE queue = ?1)
        UNION ALL
        SELECT (SELECT min(priority) FROM delay_ready WHERE queue = ?1 AND priority > level.priority) FROM level
        WHERE level.priority IS NOT NULL)
    SELECT priority FROM level WHERE priority IS NOT NULL";

/// The place in the order of leases: eta, and name or id.
type Place = (i64, String);

/// What a look at the ready tasks of a priority asks for: after a place, with a tag if that is asked for. The order is
/// the table's own but for the last term, so that only tasks of one eta are sorted.
const DUE: &str = "SELECT ready.eta, coalesce(task.name, UUID) AS place, ready.seq, id, tag, options,
        coalesce(attempt, 0), first_claim
    FROM delay_ready AS ready CROSS JOIN delay_task AS task ON task.seq = ready.seq
    LEFT JOIN delay_run AS run ON run.seq = ready.seq
    WHERE ready.queue = ?1 AND ready.priority = ?2 AND (?3 = 0 OR tag IS ?4)
    ORDER BY ready.eta, place LIMIT ?5";

const HAND_OUT: &str =
    "INSERT INTO delay_run(seq, epoch, attempt, first_claim, eta) VALUES (?1, 1, 1, ?2, ?3)
    ON CONFLICT(seq) DO UPDATE SET epoch = epoch + 1, attempt = attempt + 1, eta = excluded.eta,
    first_claim = coalesce(first_claim, excluded.first_claim)";

const LEASE: &str = "SELECT queue, epoch, attempt, run.eta FROM delay_run AS run
    JOIN delay_task AS task ON task.seq = run.seq WHERE run.seq = ?1";

const TO_PURGE: &str = "SELECT seq FROM delay_ready WHERE queue = ?1
    UNION ALL SELECT seq FROM delay_scheduled JOIN delay_task USING (seq) WHERE queue = ?1
    UNION ALL SELECT seq FROM delay_held JOIN delay_task USING (seq) WHERE queue = ?1 LIMIT ?2";

const RUNNING: &str =
    "SELECT id FROM delay_run JOIN delay_task USING (seq) WHERE queue = ?1 AND worker IS NOT NULL";

/// A ready task that may be leased.
struct Candidate {
    place: Place,
    row: i64,
    id: TaskId,
    tag: Option<String>,
    options: Option<Vec<u8>>,
    attempts: u32,
    first: Option<i64>,
}

impl Session {
    pub(super) fn lease(&mut self, order: &LeaseOrder) -> Result<Vec<TaskRecord>> {
        let (number, config) = self.pull_queue(&order.queue)?;
        while self.promote(1000)? == 1000 {}
        let tag = match &order.tag {
            Tagged::Any => None,
            Tagged::With(tag) => Some(Some(tag.clone())),
            Tagged::LikeTheEarliest => {
                let Some(first) = self.due(number, None, 1)?.pop() else { return Ok(Vec::new()) };
                Some(first.tag)
            }
        };
        let mut leased = Vec::new();
        loop {
            let due = self.due(number, tag.as_ref(), order.most - leased.len())?;
            let all = due.len();
            for candidate in due {
                let Candidate { row, id, attempts, .. } = candidate;
                let first = candidate.first.map_or(self.now, Timestamp::from_micros);
                if is_exhausted(candidate.options.as_deref(), config.retry, attempts, self.now.since(first)) {
                    let error = exhausted_text(attempts);
                    let end = (TaskState::Failed, Some(error.as_str()), self.retention.failed);
                    self.end_waiting(id, row, TaskState::Ready, end)?;
                } else {
                    leased.push(self.hand_out(row, order.length)?);
                }
            }
            // In place of those that were not handed out, others may come.
            if all == 0 || leased.len() == order.most {
                return Ok(leased);
            }
        }
    }

    /// The number and the configuration of a queue that can be leased from.
    fn pull_queue(&mut self, queue: &str) -> Result<(i64, QueueConfig)> {
        let configs = self.queue_configs()?;
        let config = check_pull(queue, configs.iter().find(|config| config.name == queue))?.clone();
        let number = self.queues.number(&self.connection, queue);
        Ok((number.map_err(|error| fault("look for a queue", error))?, config))
    }

    /// The first `most` ready tasks of a queue in the order of leases, with a tag if one is given.
    fn due(&self, number: i64, tag: Option<&Option<String>>, most: usize) -> Result<Vec<Candidate>> {
        let sql = DUE.replace("UUID", UUID);
        let due = (|| {
            let mut due = Vec::new();
            let priorities: Vec<i16> = self
                .connection
                .prepare_cached(PRIORITIES)?
                .query_map([number], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let mut statement = self.connection.prepare_cached(&sql)?;
            for priority in priorities {
                let only = params![number, priority, tag.is_some(), tag.cloned().flatten(), most as i64];
                let candidates = statement.query_map(only, |row| {
                    Ok(Candidate {
                        place: (row.get(0)?, row.get(1)?),
                        row: row.get(2)?,
                        id: TaskId::from_bytes(row.get(3)?),
                        tag: row.get(4)?,
                        options: row.get(5)?,
                        attempts: row.get(6)?,
                        first: row.get(7)?,
                    })
                })?;
                due.extend(candidates.collect::<rusqlite::Result<Vec<_>>>()?);
            }
            Ok(due)
        })();
        let mut due = due.map_err(|error| fault("look for tasks to lease", error))?;
        due.sort_by(|a, b| a.place.cmp(&b.place));
        due.truncate(most);
        Ok(due)
    }

    fn hand_out(&mut self, row: i64, length: Duration) -> Result<TaskRecord> {
        let until = self.now.after(length).as_micros();
        self.leave(row, TaskState::Ready)?;
        self.write(HAND_OUT, params![row, self.now.as_micros(), until])?;
        self.schedule(row, until)?;
        let record =
            self.statement(&format!("{} WHERE task.seq = ?1", *RECORD))?.query_row([row], read_record);
        record.map_err(|error| fault("lease a task", error))
    }

    pub(super) fn settle_leases(&mut self, queue: &str, settle: &[LeaseEnd]) -> Result<Vec<LeaseEnded>> {
        let (number, _) = self.pull_queue(queue)?;
        settle.iter().map(|end| self.settle_lease(number, end)).collect()
    }

    fn settle_lease(&mut self, number: i64, end: &LeaseEnd) -> Result<LeaseEnded> {
        let Some((row, TaskState::Scheduled, _)) = self.look_up(end.id)? else { return Ok(LeaseEnded::Lost) };
        let lease: Option<(i64, i64, u32, Option<i64>)> = self
            .statement(LEASE)?
            .query_row([row], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .optional()
            .map_err(|error| fault("look at a lease", error))?;
        let holds = lease.is_some_and(|(queue, epoch, attempt, until)| {
            (queue, epoch, attempt > 0) == (number, end.epoch, true)
                && until.is_some_and(|until| until > self.now.as_micros())
        });
        match end.to {
            _ if !holds => Ok(LeaseEnded::Lost),
            LeaseTo::Done => {
                let done = (TaskState::Succeeded, None, self.retention.succeeded);
                self.end_waiting(end.id, row, TaskState::Scheduled, done)?;
                Ok(LeaseEnded::Done)
            }
            LeaseTo::Last(length) => {
                let until = self.now.after(length);
                self.leave(row, TaskState::Scheduled)?;
                self.write("UPDATE delay_run SET eta = ?2 WHERE seq = ?1", [row, until.as_micros()])?;
                if length.is_zero() {
                    self.make_ready(row)?
                } else {
                    self.schedule(row, until.as_micros())?
                }
                self.after.wake = true;
                Ok(LeaseEnded::Until(until))
            }
        }
    }

    pub(super) fn forget_named(&mut self, queue: &str, name: &str) -> Result<Forgotten> {
        let number = self.queues.find(&self.connection, queue);
        let Some(number) = number.map_err(|error| fault("look for a queue", error))? else {
            return Ok(Forgotten::Unknown);
        };
        let taken: Option<([u8; 16], Option<i64>)> = self
            .statement("SELECT id, until FROM delay_name WHERE queue = ?1 AND name = ?2")?
            .query_row(params![number, name], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(|error| fault("look for a name", error))?;
        let id = match (taken, name.parse::<TaskId>()) {
            (Some((id, None)), _) => TaskId::from_bytes(id),
            (Some((_, Some(until))), _) if until > self.now.as_micros() => return Ok(Forgotten::Tombstoned),
            (None, Ok(id)) => id,
            _ => return Ok(Forgotten::Unknown),
        };
        let Some((row, state, _)) = self.look_up(id)? else { return Ok(Forgotten::Unknown) };
        if !self.goes_by(row, number, name)? {
            return Ok(Forgotten::Unknown);
        }
        match state {
            state if state.is_finished() => Ok(Forgotten::Tombstoned),
            TaskState::Running => self.ask_to_cancel(id).map(|()| Forgotten::Asked),
            state => {
                self.bury_name(id, row, Duration::ZERO)?;
                self.remove(id, row, state)?;
                Ok(Forgotten::Done)
            }
        }
    }

    /// Whether this is what the task goes by, in this queue: a task with a name does not go by its id.
    fn goes_by(&self, row: i64, number: i64, name: &str) -> Result<bool> {
        let sql =
            format!("SELECT 1 FROM delay_task WHERE seq = ?1 AND queue = ?2 AND coalesce(name, {UUID}) = ?3");
        self.statement(&sql)?
            .exists(params![row, number, name])
            .map_err(|error| fault("look at a task", error))
    }

    pub(super) fn purge(&mut self, queue: &str, batch: usize) -> Result<u64> {
        let number = self.queues.find(&self.connection, queue);
        let Some(number) = number.map_err(|error| fault("look for a queue", error))? else { return Ok(0) };
        let running: Vec<[u8; 16]> = self
            .statement(RUNNING)?
            .query_map([number], |row| row.get(0))
            .and_then(Iterator::collect)
            .map_err(|error| fault("look for running tasks", error))?;
        for id in running {
            self.ask_to_cancel(TaskId::from_bytes(id))?;
        }
        let waiting: Vec<i64> = self
            .statement(TO_PURGE)?
            .query_map(params![number, i64::try_from(batch).unwrap_or(i64::MAX)], |row| row.get(0))
            .and_then(Iterator::collect)
            .map_err(|error| fault("look for tasks to remove", error))?;
        for row in &waiting {
            let id = self
                .statement("SELECT id FROM delay_task WHERE seq = ?1")?
                .query_row([row], |row| row.get(0));
            let id = TaskId::from_bytes(id.map_err(|error| fault("look at a task", error))?);
            let Some((row, state, _)) = self.look_up(id)? else { continue };
            self.bury_name(id, row, Duration::ZERO)?;
            self.remove(id, row, state)?;
        }
        Ok(waiting.len() as u64)
    }
}
