//! `delay bench`: how fast this machine, this disk and this store are, and how far from the floor: a bare loop on the
//! same disk in the same run (`--floor`). Rates are medians over rounds in which both take turns, for other programs
//! may be at work beside us.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::complaint::Complaint;
use super::output::Output;
use crate::call::TaskBuilder;
use crate::client::Client;
use crate::enqueue::Enqueue as _;
use crate::error::{Error, Kind};
use crate::registry::{Function as _, Registry};
use crate::runtime::Runtime;
#[cfg(feature = "postgres")]
use crate::time::IntoDuration as _;

#[cfg(feature = "sqlite")]
mod floor;
#[cfg(feature = "postgres")]
mod floor_postgres;
#[cfg(feature = "postgres")]
mod hold;
mod limited;
mod many;
mod noop;
mod usage;

use noop::{Begun, Noop, call, text_of};

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct BenchArgs {
    /// Tasks in the backlog that is drained, and at most so many per enqueueing round
    #[arg(long, default_value_t = 100_000)]
    tasks: usize,
    /// Producers that each wait for durability
    #[arg(long, default_value_t = 16)]
    producers: usize,
    /// Tasks that run at once
    #[arg(long, default_value_t = 100)]
    concurrency: usize,
    /// Bytes of the payload of each task: the function's name and its arguments, encoded
    #[arg(long, default_value_t = 100)]
    payload: usize,
    /// Queues that the backlog is spread over; the floor has one
    #[arg(long, default_value_t = 1)]
    queues: usize,
    /// Rounds; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Also runs a bare group-commit loop on the same disk, and gives its figures with the prefix `floor_`
    #[arg(long)]
    floor: bool,
    /// Also drains a queue with a rate and a concurrency that never bind, and an unlimited one beside it, and gives both
    /// as ratios of the drain without any
    #[arg(long)]
    limited: bool,
    /// Also drains a backlog with one worker process and with so many
    #[arg(long)]
    processes: Option<usize>,
    /// A worker process of `--processes`
    #[arg(long, hide = true)]
    serve: bool,
    /// Measures claims instead while somebody holds a snapshot for so long (`60s`), in the first half of the time and in
    /// the second, at the pace at which `--tasks` pass in that time; PostgreSQL only
    #[cfg(feature = "postgres")]
    #[arg(long, value_name = "TIME", value_parser = |text: &str| text.into_duration())]
    hold_snapshot: Option<Duration>,
}

/// How long a round of enqueueing lasts, unless it runs out of tasks before.
const ROUND: Duration = Duration::from_secs(2);

/// Tasks per batch.
const BATCH: usize = 1000;

/// The figures of one contestant.
#[derive(Clone, Debug, Default)]
struct Figures {
    enqueue_1: Vec<f64>,
    enqueue_p: Vec<f64>,
    enqueue_batch: Vec<f64>,
    drain: Vec<f64>,
    /// Milliseconds.
    latency: Vec<f64>,
    cpu_s: f64,
    rss_mb: f64,
}

impl BenchArgs {
    pub(super) async fn run(&self, url: &str, output: &Output) -> Result<(), Complaint> {
        #[cfg(feature = "postgres")]
        if let Some(length) = self.hold_snapshot {
            let report = Box::pin(hold::run(url, self, length)).await.map_err(Complaint::failed)?;
            return output.answer(&report, || text(&report));
        }
        if self.serve {
            return many::serve(url, self).await.map_err(Complaint::failed);
        }
        let report = bench(url, self).await.map_err(Complaint::failed)?;
        output.answer(&report, || text(&report))
    }
}

/// A line per figure, and how far each is from the floor.
fn text(report: &Map<String, Value>) -> String {
    let line = |(key, value): (&String, &Value)| {
        let ratio = report.get(&format!("floor_{key}")).and_then(Value::as_f64).zip(value.as_f64());
        let beside =
            ratio.map_or_else(String::new, |(floor, value)| format!("   {:.2} of the floor", value / floor));
        format!("{key:<22} {value}{beside}\n")
    };
    report.iter().map(line).collect()
}

/// Measures, and gives one flat object.
async fn bench(url: &str, args: &BenchArgs) -> crate::error::Result<Map<String, Value>> {
    let durability = if url.contains("durability=process") { "process" } else { "disk" };
    let mut ours = Figures::default();
    let mut bare = Figures::default();
    for _ in 0..args.rounds.max(1) {
        if args.floor {
            let before = usage::cpu_seconds();
            floor_round(url, args, &mut bare).await?;
            bare.cpu_s += usage::cpu_seconds() - before;
            bare.rss_mb = bare.rss_mb.max(usage::peak_rss_mb());
        }
        usage::reset_peak_rss();
        let before = usage::cpu_seconds();
        round(url, args, &mut ours).await?;
        ours.cpu_s += usage::cpu_seconds() - before;
        ours.rss_mb = ours.rss_mb.max(usage::peak_rss_mb());
    }
    let mut report = Map::new();
    // Without what stands before the host: it may be a password.
    let shown = url.rsplit_once('@').map_or(url.to_owned(), |(_, place)| format!("postgres://…@{place}"));
    report.insert("store".into(), json!(shown));
    report.insert("durability".into(), json!(durability));
    for (key, value) in [
        ("tasks", args.tasks),
        ("producers", args.producers),
        ("concurrency", args.concurrency),
        ("payload", args.payload),
        ("queues", args.queues),
    ] {
        report.insert(key.into(), json!(value));
    }
    ours.report("", &mut report);
    if args.floor {
        bare.report("floor_", &mut report);
    }
    if let Some(processes) = args.processes {
        many::measure(url, args, processes, &mut report).await?;
    }
    if args.limited {
        limited::measure(url, args, &mut report).await?;
    }
    Ok(report)
}

/// The floor of this kind of store.
async fn floor_round(url: &str, args: &BenchArgs, figures: &mut Figures) -> crate::error::Result<()> {
    #[cfg(feature = "sqlite")]
    if url.starts_with("sqlite:") {
        return floor::round(url, args, figures).await;
    }
    #[cfg(feature = "postgres")]
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        return Box::pin(floor_postgres::round(url, args, figures)).await;
    }
    let _ = (url, args, figures);
    let text = "no floor is known for this kind of store: leave `--floor` out";
    Err(Error::new(Kind::InvalidOption, text))
}

impl Figures {
    fn report(mut self, prefix: &str, report: &mut Map<String, Value>) {
        let mut put = |key: &str, value: f64| {
            let rounded = (value * 1000.0).round() / 1000.0;
            report.insert(format!("{prefix}{key}"), json!(rounded));
        };
        put("enqueue_1", percentile(&mut self.enqueue_1, 0.5).round());
        put("enqueue_p", percentile(&mut self.enqueue_p, 0.5).round());
        put("enqueue_batch", percentile(&mut self.enqueue_batch, 0.5).round());
        put("drain", percentile(&mut self.drain, 0.5).round());
        put("latency_p50_ms", percentile(&mut self.latency, 0.5));
        put("latency_p99_ms", percentile(&mut self.latency, 0.99));
        put("cpu_s", self.cpu_s);
        put("rss_mb", self.rss_mb);
    }
}

fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or(0.0)
}

/// Runs `work` again and again until the round is over; `work` says how many tasks it has done.
async fn rate(
    limit: usize,
    mut work: impl AsyncFnMut() -> crate::error::Result<usize>,
) -> crate::error::Result<f64> {
    let begin = Instant::now();
    let mut done = 0;
    while done < limit && begin.elapsed() < ROUND {
        done += work().await?;
    }
    Ok(done as f64 / begin.elapsed().as_secs_f64())
}

/// The same by many producers at once.
async fn rate_of_many<F>(producers: usize, limit: usize, start: impl Fn() -> F) -> crate::error::Result<f64>
where
    F: AsyncFnOnceSend,
{
    let begin = Instant::now();
    let left = Arc::new(AtomicUsize::new(limit));
    let running: Vec<_> =
        (0..producers.max(1)).map(|_| tokio::spawn(start().run(Arc::clone(&left), begin))).collect();
    let mut done = 0;
    for producer in running {
        done +=
            producer.await.map_err(|error| Error::with_source(Kind::Other, "a producer died", error))??;
    }
    Ok(done as f64 / begin.elapsed().as_secs_f64())
}

/// A producer: adds one task after the other while there is time and `left` is not used up.
trait AsyncFnOnceSend {
    fn run(
        self,
        left: Arc<AtomicUsize>,
        begin: Instant,
    ) -> impl Future<Output = crate::error::Result<usize>> + Send + 'static;
}

/// Whether a producer goes on; takes one of what is left.
fn goes_on(left: &AtomicUsize, begin: Instant) -> bool {
    let take = |left: usize| left.checked_sub(1);
    begin.elapsed() < ROUND && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
}

// ---- ours

/// Puts a task into its queue of so many.
fn spread(task: TaskBuilder<()>, nr: usize, queues: usize) -> TaskBuilder<()> {
    if queues > 1 { task.queue(format!("delay-bench-{}", nr % queues)) } else { task }
}

struct Producer {
    client: Client,
    text: Arc<str>,
}

impl AsyncFnOnceSend for Producer {
    async fn run(self, left: Arc<AtomicUsize>, begin: Instant) -> crate::error::Result<usize> {
        let mut done = 0;
        while goes_on(&left, begin) {
            call(&self.text).add(&self.client).await?;
            done += 1;
        }
        Ok(done)
    }
}

async fn round(url: &str, args: &BenchArgs, figures: &mut Figures) -> crate::error::Result<()> {
    let text: Arc<str> = text_of(args.payload)?.into();
    let registry = Registry::of(&[Noop::registration()])?;
    let (times, mut started) = mpsc::unbounded_channel();
    let open = async |begun: &Arc<Begun>| -> crate::error::Result<Runtime> {
        let builder = Runtime::builder(url).registry(registry).state(Arc::clone(begun));
        builder.concurrency(args.concurrency).build().await
    };

    // Enqueueing, into a store that nobody serves.
    let rt = open(&Begun::new(0, None)).await?;
    check_empty(rt.client()).await?;
    let client = rt.client();
    figures.enqueue_1.push(
        rate(args.tasks, async || {
            call(&text).add(client).await?;
            Ok(1)
        })
        .await?,
    );
    let producer = || Producer { client: client.clone(), text: Arc::clone(&text) };
    figures.enqueue_p.push(rate_of_many(args.producers, args.tasks, producer).await?);
    clear(&rt, url).await?;

    // The backlog: batches, which are measured, too.
    let rt = open(&Begun::new(args.tasks, None)).await?;
    let begin = Instant::now();
    let mut added = 0;
    while added < args.tasks {
        let batch = BATCH.min(args.tasks - added);
        let tasks = (added..added + batch).map(|nr| spread(call(&text), nr, args.queues));
        added += rt.client().add_all(tasks).await?.len();
    }
    figures.enqueue_batch.push(added as f64 / begin.elapsed().as_secs_f64());
    rt.stop().await?;

    // Drained by a process that finds it.
    let counter = Begun::new(args.tasks, None);
    let rt = open(&counter).await?;
    let begin = Instant::now();
    rt.start().await?;
    counter.reached.notified().await;
    wait_until_ended(rt.client(), args.tasks).await;
    figures.drain.push(args.tasks as f64 / begin.elapsed().as_secs_f64());
    clear(&rt, url).await?;

    // One task at a time, on a worker that has nothing else to do.
    let rt = open(&Begun::new(usize::MAX, Some(times))).await?;
    rt.start().await?;
    for round in 1..=args.tasks.min(200) {
        let begin = Instant::now();
        call(&text).add(&rt).await?;
        if let Some(start) = started.recv().await {
            figures.latency.push(start.saturating_duration_since(begin).as_secs_f64() * 1000.0);
        }
        // The worker settles and goes idle again.
        wait_until_ended(rt.client(), round).await;
    }
    clear(&rt, url).await
}

/// A task is done when it is settled, not when it has begun.
async fn wait_until_ended(client: &Client, tasks: usize) {
    while client.store().signals().ended() < tasks as u64 {
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

async fn check_empty(client: &Client) -> crate::error::Result<()> {
    if client.store().counts().await?.is_empty() {
        return Ok(());
    }
    let text =
        "the store holds tasks already, and a benchmark fills and empties it: name one that is not in use";
    Err(Error::new(Kind::InvalidOption, text))
}

/// Leaves an empty store behind.
async fn clear(rt: &Runtime, url: &str) -> crate::error::Result<()> {
    rt.stop().await?;
    crate::schemes::remove(url).await
}
