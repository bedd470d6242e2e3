//! Reads about queues, on a connection of their own.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::fault::fault;
use super::limits::{CONFIGS, unpack};
use crate::error::Result;
use crate::queues::{Mode, QueueConfig};
use crate::store::QueueStats;
use crate::time::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);

/// Per table in which a task can stand: how many, the earliest eta, and how many of them run or are leased.
const STATS: &str = "SELECT sum(tasks), min(eta), sum(busy) FROM (
        SELECT count(*) AS tasks, min(eta) AS eta, 0 AS busy FROM delay_ready WHERE queue = ?1
        UNION ALL SELECT count(*), min(scheduled.eta), count(*) FILTER (WHERE ?2 AND attempt > 0 AND scheduled.eta > ?3)
            FROM delay_scheduled AS scheduled JOIN delay_task USING (seq) LEFT JOIN delay_run USING (seq) WHERE queue = ?1
        UNION ALL SELECT count(*), min(coalesce(run.eta, task.eta)), count(*)
            FROM delay_run AS run JOIN delay_task AS task USING (seq) WHERE queue = ?1 AND worker IS NOT NULL
        UNION ALL SELECT count(*), min(coalesce(run.eta, task.eta)), 0
            FROM delay_held JOIN delay_task AS task USING (seq) LEFT JOIN delay_run AS run USING (seq) WHERE queue = ?1)";

/// Walks all that is done.
const EXECUTED: &str = "SELECT count(*) FROM delay_done JOIN delay_task USING (seq)
    WHERE finished > ?2 AND state IN (4, 5) AND queue = ?1";

pub(super) fn queue_configs(connection: &Connection) -> Result<Vec<QueueConfig>> {
    let read = || {
        let mut statement = connection.prepare_cached(CONFIGS)?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    unpack(read())
}

pub(super) fn queue_stats(
    connection: &Connection,
    queues: &[String],
    now: Timestamp,
) -> Result<Vec<QueueStats>> {
    let configs = queue_configs(connection)?;
    let stats = |queue: &String| {
        let config = configs.iter().find(|config| config.name == *queue);
        read_stats(connection, queue, config, now).map_err(|error| fault("count the tasks of a queue", error))
    };
    queues.iter().map(stats).collect()
}

fn read_stats(
    connection: &Connection,
    queue: &str,
    config: Option<&QueueConfig>,
    now: Timestamp,
) -> rusqlite::Result<QueueStats> {
    let enforced_rate = config.and_then(QueueConfig::enforced_rate);
    let number: Option<i64> = connection
        .prepare_cached("SELECT number FROM delay_queue WHERE name = ?1")?
        .query_row([queue], |row| row.get(0))
        .optional()?;
    let Some(number) = number else { return Ok(QueueStats { enforced_rate, ..QueueStats::default() }) };
    let is_pull = config.is_some_and(|config| config.mode == Mode::Pull);
    let (tasks, eta, busy): (i64, Option<i64>, i64) =
        connection.prepare_cached(STATS)?.query_row(params![number, is_pull, now.as_micros()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let since = now.before(MINUTE).as_micros();
    let executed: i64 = connection.prepare_cached(EXECUTED)?.query_row([number, since], |row| row.get(0))?;
    Ok(QueueStats {
        tasks: tasks.unsigned_abs(),
        oldest_eta: eta.map(Timestamp::from_micros),
        executed_last_minute: executed.unsigned_abs(),
        in_flight: busy.unsigned_abs(),
        enforced_rate,
    })
}
