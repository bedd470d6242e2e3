//! Reads about queues, for people.

use tokio_postgres::types::Type;

use super::base::Base;
use super::configs::configs;
use super::sql::Sql;
use crate::error::Result;
use crate::queues::{Mode, QueueConfig};
use crate::store::QueueStats;
use crate::time::Timestamp;

/// Unfinished tasks: how many, the earliest eta, and how many run or are leased; and what has ended within the last
/// minute, which walks `history_finished` and `bundle_finished`.
const STATS: Sql = Sql {
    text: "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now)
    SELECT count(*), min(eta), count(*) FILTER (WHERE worker IS NOT NULL
            OR ($3 AND place = 1 AND attempt > 0 AND eta > (SELECT now FROM clock))),
        (SELECT count(*) FROM @.history WHERE finished > (SELECT now FROM clock) - 60000000 AND queue = $2
            AND state IN (4, 5) AND expires > (SELECT value FROM @.meta WHERE key = 'horizon'))
            + (SELECT coalesce(sum(count), 0)::int8 FROM @.bundle WHERE finished > (SELECT now FROM clock) - 60000000
            AND queue = $2 AND expires > (SELECT value FROM @.meta WHERE key = 'horizon'))
    FROM @.task WHERE queue = $2",
    types: &[Type::INT8, Type::TEXT, Type::BOOL],
};

impl Base {
    pub(super) async fn queue_stats(&self, queues: &[String]) -> Result<Vec<QueueStats>> {
        let session = self.session().await?;
        let configs = configs(&session).await?;
        let mut all = Vec::with_capacity(queues.len());
        for queue in queues {
            let config = configs.iter().find(|config| config.name == *queue);
            let is_pull = config.is_some_and(|config| config.mode == Mode::Pull);
            let rows =
                session.rows("count the tasks of a queue", &STATS, &[&self.now(), queue, &is_pull]).await?;
            let mut stats = QueueStats::default();
            if let Some(row) = rows.first() {
                let count = |column: usize| row.get::<_, i64>(column).unsigned_abs();
                (stats.tasks, stats.in_flight, stats.executed_last_minute) = (count(0), count(2), count(3));
                stats.oldest_eta = row.get::<_, Option<i64>>(1).map(Timestamp::from_micros);
            }
            stats.enforced_rate = config.and_then(QueueConfig::enforced_rate);
            all.push(stats);
        }
        Ok(all)
    }
}
