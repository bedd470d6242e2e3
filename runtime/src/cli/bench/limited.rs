//! What limits cost: the same backlog drained from a queue without a configuration, from one whose limits never bind, and
//! from an unlimited one while another is limited, in turns within one run.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::{BATCH, Begun, BenchArgs, Noop, call, check_empty, clear, percentile, text_of, wait_until_ended};
use crate::enqueue::Enqueue as _;
use crate::error::Result;
use crate::queues::{Per, QueueConfig, Rate, Resume};
use crate::registry::{Function as _, Registry};
use crate::runtime::Runtime;
use crate::store::QueueEdit;

/// The queue that is drained.
const QUEUE: &str = "bench";

/// A rate and a concurrency that every claim has to ask, and that let all go.
fn wide(name: &str) -> Result<QueueConfig> {
    let mut config = QueueConfig::new(name)?;
    config.rate = Some(Rate::new(1_000_000.0, Per::Second)?);
    (config.bucket_size, config.max_concurrent_requests) = (1_000_000, 1_000_000);
    Ok(config)
}

pub(super) async fn measure(url: &str, args: &BenchArgs, report: &mut Map<String, Value>) -> Result<()> {
    let (mut free, mut limited, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.rounds.max(1) {
        free.push(drain(url, args, None).await?);
        limited.push(drain(url, args, Some(wide(QUEUE)?)).await?);
        beside.push(drain(url, args, Some(wide("other")?)).await?);
    }
    let ratio = |figures: &[f64]| {
        let mut ratios: Vec<f64> = figures.iter().zip(&free).map(|(figure, free)| figure / free).collect();
        json!((percentile(&mut ratios, 0.5) * 1000.0).round() / 1000.0)
    };
    report.insert("limited_of_unlimited".into(), ratio(&limited));
    report.insert("beside_a_limited_one".into(), ratio(&beside));
    Ok(())
}

/// Tasks per second.
async fn drain(url: &str, args: &BenchArgs, config: Option<QueueConfig>) -> Result<f64> {
    let registry = Registry::of(&[Noop::registration()])?;
    let begun = Begun::new(args.tasks, None);
    let builder = Runtime::builder(url).registry(registry).state(Arc::clone(&begun));
    let rt = builder.concurrency(args.concurrency).build().await?;
    check_empty(rt.client()).await?;
    let queues = config.into_iter().collect();
    rt.client().store().configure(QueueEdit::Apply { queues, resume: Resume::WithFile }).await?;
    let text = text_of(args.payload)?;
    let mut added = 0;
    while added < args.tasks {
        let batch = BATCH.min(args.tasks - added);
        added += rt.client().add_all((0..batch).map(|_| call(&text).queue(QUEUE))).await?.len();
    }
    let begin = Instant::now();
    rt.start().await?;
    begun.reached.notified().await;
    wait_until_ended(rt.client(), args.tasks).await;
    let rate = args.tasks as f64 / begin.elapsed().as_secs_f64();
    clear(&rt, url).await?;
    Ok(rate)
}
