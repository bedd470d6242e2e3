//! Configurations of queues: one row per configured queue. What claims need of it is spelled out; the whole is packed.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::base::Base;
use super::push::micros;
use super::sql::{Session, Sql};
use crate::codec;
use crate::error::{Error, Kind, Result};
use crate::queues::{Change, QueueConfig, Rate, Throttle, TokenBucket};
use crate::store::{Gate, Limit, QueueEdit, Terms};
use crate::time::Timestamp;

const CONFIGS: Sql = Sql { text: "SELECT config FROM @.queue_limit ORDER BY queue", types: &[] };

/// Two who configure wait for each other; whoever only claims waits until this is committed.
const LOCK: &str = "LOCK TABLE @.queue_limit IN SHARE ROW EXCLUSIVE MODE";

const LIMIT: Sql = Sql {
    text: "SELECT gate, rate, bucket_size, concurrent, tokens, at, running FROM @.queue_limit WHERE queue = $1",
    types: &[Type::TEXT],
};

/// What runs already counts. Of a queue that was configured before, more may count than runs: what claims that are under
/// way have reserved.
const CONFIGURE: Sql = Sql {
    text: "INSERT INTO @.queue_limit AS l (queue, gate, rate, per_second, bucket_size, concurrent, tombstone, retry, config,
            tokens, at, moved, running)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, count(*) FROM @.task
        WHERE worker IS NOT NULL AND queue = $1 AND id = ANY (ARRAY(SELECT unnest(tasks) FROM @.claim))
        ON CONFLICT ON CONSTRAINT queue_limit_queue DO UPDATE SET gate = excluded.gate, rate = excluded.rate,
            per_second = excluded.per_second, bucket_size = excluded.bucket_size, concurrent = excluded.concurrent,
            tombstone = excluded.tombstone, retry = excluded.retry, config = excluded.config, tokens = excluded.tokens,
            at = excluded.at, moved = excluded.moved",
    types: &[
        Type::TEXT,
        Type::INT2,
        Type::TEXT,
        Type::FLOAT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::BYTEA,
        Type::BYTEA,
        Type::FLOAT8,
        Type::INT8,
    ],
};

const REMOVE: Sql = Sql { text: "DELETE FROM @.queue_limit WHERE queue = $1", types: &[Type::TEXT] };

impl Base {
    pub(super) async fn queue_configs(&self) -> Result<Vec<QueueConfig>> {
        configs(&self.session().await?).await
    }

    pub(super) async fn configure(&self, edit: &QueueEdit) -> Result<Vec<Change>> {
        let session = self.session().await?;
        let changes = session.in_transaction("configure queues", async {
            session.batch("configure queues", &self.dialect.write(LOCK)).await?;
            let current = configs(&session).await?;
            let changes = edit.changes(&current);
            let now = self.server_now(&session).await?;
            for change in &changes {
                let before = current.iter().find(|config| config.name == change.queue());
                match change.outcome(before) {
                    Some(config) => keep(&session, &config, Timestamp::from_micros(now)).await?,
                    None => drop(session.rows("forget a configuration", &REMOVE, &[&change.queue()]).await?),
                }
            }
            Ok(changes)
        });
        let changes = changes.await?;
        self.hint.see(true);
        if !changes.is_empty() {
            self.woke();
        }
        Ok(changes)
    }
}

pub(super) async fn configs(session: &Session) -> Result<Vec<QueueConfig>> {
    let rows = session.rows("read the queues' configurations", &CONFIGS, &[]).await?;
    let configs = rows.iter().map(|row| codec::from_slice(row.get(0))).collect::<Result<_, _>>();
    configs.map_err(|error| Error::with_source(Kind::Decode, "a queue's configuration cannot be read", error))
}

async fn keep(session: &Session, config: &QueueConfig, now: Timestamp) -> Result<()> {
    let before = session.rows("look at a limit", &LIMIT, &[&config.name]).await?;
    let before = before.first().map(|row| read_limit(row, 0));
    let terms = Terms::of(config);
    let bucket = terms.bucket(before.and_then(|limit| limit.terms.throttle.zip(Some(limit.bucket))), now);
    let (packed, retry) = (pack(config)?, config.retry.as_ref().map(pack).transpose()?);
    let gate: i16 = match terms.gate {
        Gate::Everybody => 0,
        Gate::Named => 1,
        Gate::Nobody => 2,
    };
    let (bucket_size, concurrent) =
        (i64::from(config.bucket_size), i64::from(config.max_concurrent_requests));
    let per_second = config.rate.map(Rate::per_second);
    let rate = config.rate.map(|rate| rate.to_string());
    session
        .rows(
            "configure a queue",
            &CONFIGURE,
            &[
                &config.name,
                &gate,
                &rate,
                &per_second,
                &bucket_size,
                &concurrent,
                &micros(config.tombstone),
                &retry,
                &packed,
                &bucket.tokens,
                &bucket.at.as_micros(),
            ],
        )
        .await
        .map(drop)
}

fn pack<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    codec::to_vec(value)
        .map_err(|error| Error::with_source(Kind::Encode, "cannot pack a queue's configuration", error))
}

/// The limit whose columns begin at `first`, in the order of [`LIMIT`].
pub(super) fn read_limit(row: &Row, first: usize) -> Limit {
    let count = |column: usize| u32::try_from(row.get::<_, i64>(column)).unwrap_or(u32::MAX);
    let gate = match row.get::<_, i16>(first) {
        0 => Gate::Everybody,
        1 => Gate::Named,
        _ => Gate::Nobody,
    };
    // What cannot be read is as slow as can be: nobody wrote it but this file.
    let rate = row.get::<_, Option<String>>(first + 1).map(|rate| rate.parse().unwrap_or(Rate::PAUSED));
    let throttle = rate.map(|rate| Throttle { rate, bucket_size: count(first + 2) });
    let terms = Terms { gate, throttle, concurrent: count(first + 3) };
    let bucket = TokenBucket { tokens: row.get(first + 4), at: Timestamp::from_micros(row.get(first + 5)) };
    Limit { terms, bucket, running: row.get::<_, i64>(first + 6).max(0).unsigned_abs() }
}
