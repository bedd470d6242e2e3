//! What an old snapshot does to claims: somebody's long transaction keeps dead rows in the table, and a claim that walks
//! over them gets slower with each task that has passed.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::{BenchArgs, call, check_empty, percentile, text_of};
use crate::client::Client;
use crate::enqueue::Enqueue as _;
use crate::error::{Error, Kind, Result};
use crate::outcome::Transition;
use crate::store::postgres::bare_connection;
use crate::store::{Claim, Enlist, Queues, Settlement, Turn};

/// Tasks per claim, and per batch of new ones.
const CLAIM: usize = 100;
const ADDED: usize = 1000;

fn trouble(error: tokio_postgres::Error) -> Error {
    Error::with_source(Kind::Other, "the snapshot cannot be held", error)
}

/// Passes tasks through the store for as long as the snapshot is held, `--tasks` in all at an even pace, and times each
/// claim.
pub(super) async fn run(url: &str, args: &BenchArgs, length: Duration) -> Result<Map<String, Value>> {
    let holder = bare_connection(url).await?;
    let client = Client::open(url).await?;
    check_empty(&client).await?;
    holder
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
        .await
        .map_err(trouble)?;
    let store = client.store();
    let lease = length + Duration::from_secs(60);
    let worker = store.enlist(Enlist { name: "bench".to_owned(), lease, functions: Vec::new() }).await?;
    let text = text_of(args.payload)?;
    let (mut passed, mut turns) = (0, Vec::new());
    let begin = Instant::now();
    while begin.elapsed() < length {
        client.add_all((0..ADDED).map(|_| call(&text))).await?;
        for _ in 0..ADDED / CLAIM {
            let claim = Turn { worker, settle: Vec::new(), want: CLAIM, queues: Queues::All };
            let sent = Instant::now();
            let claims = store.turn(claim).await?.claims;
            turns.push(sent.elapsed().as_secs_f64() * 1000.0);
            passed += claims.len();
            let success =
                |claim: Claim| Settlement { fence: claim.fence, transition: Transition::Succeed(None) };
            let settle = claims.into_iter().map(success).collect();
            store.turn(Turn { worker, settle, want: 0, queues: Queues::All }).await?;
        }
        let due = length.mul_f64((passed as f64 / args.tasks as f64).min(1.0));
        tokio::time::sleep(due.saturating_sub(begin.elapsed())).await;
    }
    let mut late = turns.split_off(turns.len() / 2);
    holder.batch_execute("COMMIT").await.map_err(trouble)?;
    store.retire(worker).await?;
    store.close().await?;
    crate::schemes::remove(url).await?;
    let mut report = Map::new();
    let mut put = |key: &str, value: Value| report.insert(key.into(), value);
    let round = |value: f64| json!((value * 1000.0).round() / 1000.0);
    put("held_s", json!(length.as_secs()));
    put("passed", json!(passed));
    put("claim_p50_ms", round(percentile(&mut turns, 0.5)));
    put("claim_p99_ms", round(percentile(&mut turns, 0.99)));
    put("late_claim_p50_ms", round(percentile(&mut late, 0.5)));
    put("late_claim_p99_ms", round(percentile(&mut late, 0.99)));
    Ok(report)
}
