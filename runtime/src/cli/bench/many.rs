//! The same backlog drained by one worker process and by several: this program, started again, with `--serve`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::{BATCH, Begun, BenchArgs, Noop, call, check_empty, percentile, text_of};
use crate::client::Client;
use crate::enqueue::Enqueue as _;
use crate::error::{Error, Kind, Result};
use crate::registry::{Function as _, Registry};
use crate::runtime::Runtime;
use crate::task::TaskState;

/// How often it is looked whether all is done.
const LOOK: Duration = Duration::from_millis(10);

fn trouble(error: std::io::Error) -> Error {
    Error::with_source(Kind::Other, "a worker process failed", error)
}

pub(super) async fn measure(
    url: &str,
    args: &BenchArgs,
    processes: usize,
    report: &mut Map<String, Value>,
) -> Result<()> {
    let (mut one, mut many) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds.max(1) {
        one.push(drain(url, args, 1).await?);
        many.push(drain(url, args, processes).await?);
    }
    let mut ratios: Vec<f64> = many.iter().zip(&one).map(|(many, one)| many / one).collect();
    report.insert("drain_one_process".into(), json!(percentile(&mut one, 0.5).round()));
    report.insert("drain_processes".into(), json!(percentile(&mut many, 0.5).round()));
    report.insert("processes_of_one".into(), json!((percentile(&mut ratios, 0.5) * 1000.0).round() / 1000.0));
    Ok(())
}

/// Tasks per second.
async fn drain(url: &str, args: &BenchArgs, processes: usize) -> Result<f64> {
    let client = Client::open(url).await?;
    check_empty(&client).await?;
    let text = text_of(args.payload)?;
    let mut added = 0;
    while added < args.tasks {
        let batch = BATCH.min(args.tasks - added);
        added += client.add_all((0..batch).map(|_| call(&text))).await?.len();
    }
    let mut workers = (0..processes).map(|_| Worker::start(url, args)).collect::<Result<Vec<_>>>()?;
    let begin = Instant::now();
    workers.iter_mut().try_for_each(Worker::go)?;
    while ended(&client).await? < args.tasks as u64 {
        tokio::time::sleep(LOOK).await;
    }
    let rate = args.tasks as f64 / begin.elapsed().as_secs_f64();
    drop(workers);
    client.store().close().await?;
    crate::schemes::remove(url).await?;
    Ok(rate)
}

async fn ended(client: &Client) -> Result<u64> {
    let counts = client.store().counts().await?;
    Ok(counts.iter().filter(|count| count.state == TaskState::Succeeded).map(|count| count.tasks).sum())
}

/// A worker process that is ready, and begins when it is told to.
struct Worker(Child);

impl Worker {
    fn start(url: &str, args: &BenchArgs) -> Result<Self> {
        let program = std::env::current_exe().map_err(trouble)?;
        let concurrency = args.concurrency.to_string();
        let child = Command::new(program)
            .args(["bench", "--serve", "--store", url, "--concurrency", &concurrency])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(trouble)?;
        let mut worker = Self(child);
        let mut ready = String::new();
        if let Some(out) = &mut worker.0.stdout {
            BufReader::new(out).read_line(&mut ready).map_err(trouble)?;
        }
        if ready.is_empty() {
            return Err(Error::new(Kind::Other, "a worker process ended before it began"));
        }
        Ok(worker)
    }

    fn go(&mut self) -> Result<()> {
        self.0.stdin.as_mut().map_or(Ok(()), |input| input.write_all(b"go\n")).map_err(trouble)
    }
}

impl Drop for Worker {
    /// It stops by itself when its input ends.
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The worker process: serves from the first line of its input to the end of it.
pub(super) async fn serve(url: &str, args: &BenchArgs) -> Result<()> {
    let registry = Registry::of(&[Noop::registration()])?;
    let builder = Runtime::builder(url).registry(registry).state(Begun::new(usize::MAX, None));
    let rt = builder.concurrency(args.concurrency).build().await?;
    let line = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(trouble)
    };
    let joined = |_| Error::new(Kind::Other, "the input could not be read");
    println!("ready");
    tokio::task::spawn_blocking(line).await.map_err(joined)??;
    rt.start().await?;
    tokio::task::spawn_blocking(line).await.map_err(joined)??;
    rt.stop().await
}
