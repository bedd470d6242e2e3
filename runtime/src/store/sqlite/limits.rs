//! Configured queues: what their limits let a turn claim, and how they are changed. The limits of all of them are read
//! once per turn, before it settles, and what the turn has changed is written at its end. Where no queue is configured,
//! that is one look at an empty table.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Row, params};

use super::fault::fault;
use super::session::Session;
use crate::codec;
use crate::error::{Error, Kind, Result};
use crate::queues::{Change, QueueConfig, Rate, Throttle, TokenBucket};
use crate::retry::Retry;
use crate::store::{Claim, Gate, Limit, QueueEdit, Terms};
use crate::time::Timestamp;

const LIMITS: &str =
    "SELECT queue, gate, rate, bucket_size, concurrent, tokens, at, running, retry FROM delay_limit";

const KEEP: &str = "UPDATE delay_limit SET tokens = ?2, at = ?3, running = ?4 WHERE queue = ?1";

pub(super) const CONFIGS: &str =
    "SELECT config FROM delay_limit JOIN delay_queue ON number = queue ORDER BY name";

const CONFIGURE: &str =
    "INSERT OR REPLACE INTO delay_limit(queue, gate, rate, bucket_size, concurrent, tombstone,
    retry, tokens, at, running, config) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// Small tables: of what runs, not of all tasks.
const RUNNING: &str =
    "SELECT task.queue, count(*) FROM delay_run AS run JOIN delay_task AS task ON task.seq = run.seq
    WHERE run.worker IS NOT NULL GROUP BY task.queue";

/// A length of time as the tables keep it.
pub(super) fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// The limits of all configured queues, by number, within one turn.
pub(super) struct Limits(Vec<Limited>);

pub(super) struct Limited {
    number: i64,
    pub(super) limit: Limit,
    retry: Option<Retry>,
    /// As it is in the table.
    before: Limit,
}

impl Limits {
    pub(super) fn of(&self, number: i64) -> Option<&Limited> {
        self.0.iter().find(|limited| limited.number == number)
    }

    fn of_mut(&mut self, number: i64) -> Option<&mut Limited> {
        self.0.iter_mut().find(|limited| limited.number == number)
    }

    /// An attempt has ended.
    pub(super) fn ended(&mut self, number: i64) {
        if let Some(limited) = self.of_mut(number) {
            limited.limit.running = limited.limit.running.saturating_sub(1);
        }
    }

    /// These were claimed of a queue.
    pub(super) fn claimed(&mut self, number: i64, claims: &mut [Claim], now: Timestamp) {
        let Some(limited) = self.of_mut(number) else { return };
        limited.limit.took(claims.len(), now);
        for claim in claims {
            claim.fence.limit = number;
            claim.retry = limited.retry;
        }
    }
}

impl Session {
    pub(super) fn limits(&self) -> Result<Limits> {
        let limits =
            self.statement(LIMITS)?.query_map([], read_limited).and_then(Iterator::collect).map(Limits);
        limits.map_err(|error| fault("look at the limits of queues", error))
    }

    /// When more can be claimed of these queues that the limits keep back.
    pub(super) fn wait_for_limits(
        &self,
        limits: &Limits,
        queues: &[(i64, String)],
    ) -> Result<Option<Duration>> {
        let mut waits = Vec::new();
        for (number, _) in queues {
            if let Some(wait) = limits.of(*number).and_then(|limited| limited.limit.wait(self.now)) {
                let any = self.statement("SELECT 1 FROM delay_ready WHERE queue = ?1")?.exists([number]);
                waits.extend(any.map_err(|error| fault("look for ready tasks", error))?.then_some(wait));
            }
        }
        Ok(waits.into_iter().min())
    }

    /// Writes what a turn has changed; others are woken if a queue has become free that was full.
    pub(super) fn keep_limits(&mut self, limits: &Limits) -> Result<()> {
        for Limited { number, limit, before, .. } in &limits.0 {
            if limit != before {
                let Limit { bucket, running, .. } = limit;
                self.write(KEEP, params![number, bucket.tokens, bucket.at.as_micros(), *running as i64])?;
                self.after.wake |= before.is_full() && !limit.is_full();
            }
        }
        Ok(())
    }

    /// Counts what runs in limited queues: after attempts have ended that no turn has settled.
    pub(super) fn recount_limits(&mut self) -> Result<()> {
        let mut limits = self.limits()?;
        if limits.0.is_empty() {
            return Ok(());
        }
        let running: BTreeMap<i64, i64> = self
            .statement(RUNNING)?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect)
            .map_err(|error| fault("count what runs", error))?;
        for limited in &mut limits.0 {
            limited.limit.running = running.get(&limited.number).copied().unwrap_or(0).unsigned_abs();
        }
        self.keep_limits(&limits)
    }

    pub(super) fn queue_configs(&self) -> Result<Vec<QueueConfig>> {
        let packed: rusqlite::Result<Vec<Vec<u8>>> =
            self.statement(CONFIGS)?.query_map([], |row| row.get(0)).and_then(Iterator::collect);
        unpack(packed)
    }

    pub(super) fn configure(&mut self, edit: &QueueEdit) -> Result<Vec<Change>> {
        let current = self.queue_configs()?;
        let changes = edit.changes(&current);
        for change in &changes {
            let before = current.iter().find(|config| config.name == change.queue());
            let number = self.queues.number(&self.connection, change.queue());
            let number = number.map_err(|error| fault("configure a queue", error))?;
            match change.outcome(before) {
                Some(config) => self.keep_config(number, &config)?,
                None => self.write("DELETE FROM delay_limit WHERE queue = ?1", [number])?,
            }
        }
        if !changes.is_empty() {
            self.recount_limits()?;
            self.after.wake = true;
        }
        Ok(changes)
    }

    fn keep_config(&mut self, number: i64, config: &QueueConfig) -> Result<()> {
        let limits = self.limits()?;
        let before =
            limits.of(number).and_then(|Limited { limit, .. }| limit.terms.throttle.zip(Some(limit.bucket)));
        let terms = Terms::of(config);
        let bucket = terms.bucket(before, self.now);
        let (packed, retry) = (pack(config)?, config.retry.as_ref().map(pack).transpose()?);
        self.write(
            CONFIGURE,
            params![
                number,
                gate_code(terms.gate),
                config.rate.map(|rate| rate.to_string()),
                config.bucket_size,
                config.max_concurrent_requests,
                micros(config.tombstone),
                retry,
                bucket.tokens,
                bucket.at.as_micros(),
                0,
                packed
            ],
        )
    }
}

fn pack<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    codec::to_vec(value)
        .map_err(|error| Error::with_source(Kind::Encode, "cannot pack a queue's configuration", error))
}

pub(super) fn unpack(packed: rusqlite::Result<Vec<Vec<u8>>>) -> Result<Vec<QueueConfig>> {
    let packed = packed.map_err(|error| fault("read the queues' configurations", error))?;
    let configs = packed.iter().map(|packed| codec::from_slice(packed)).collect::<Result<_, _>>();
    configs.map_err(|error| Error::with_source(Kind::Decode, "a queue's configuration cannot be read", error))
}

fn gate_code(gate: Gate) -> i64 {
    match gate {
        Gate::Everybody => 0,
        Gate::Named => 1,
        Gate::Nobody => 2,
    }
}

fn read_limited(row: &Row<'_>) -> rusqlite::Result<Limited> {
    let gate = match row.get::<_, i64>(1)? {
        0 => Gate::Everybody,
        1 => Gate::Named,
        _ => Gate::Nobody,
    };
    // What cannot be read is as slow as can be: nobody wrote it but this file.
    let rate = row.get::<_, Option<String>>(2)?.map(|rate| rate.parse().unwrap_or(Rate::PAUSED));
    let bucket_size = row.get(3)?;
    let throttle = rate.map(|rate| Throttle { rate, bucket_size });
    let terms = Terms { gate, throttle, concurrent: row.get(4)? };
    let bucket = TokenBucket { tokens: row.get(5)?, at: Timestamp::from_micros(row.get(6)?) };
    let limit = Limit { terms, bucket, running: row.get::<_, i64>(7)?.max(0).unsigned_abs() };
    let retry: Option<Vec<u8>> = row.get(8)?;
    let retry = retry.and_then(|retry| codec::from_slice(&retry).ok());
    Ok(Limited { number: row.get(0)?, limit, retry, before: limit })
}
