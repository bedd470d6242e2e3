//! The floor on PostgreSQL: what the server and the driver give to a bare table with the same shape (one `unnest` insert
//! for all that has gathered; two lanes, each with a statement that deletes what ended and claims 1,000 ahead) and
//! without what makes a queue of it: no names, fences, leases, history, errors, or decoding.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::{AsyncFnOnceSend, BATCH, BenchArgs, Figures, goes_on, rate, rate_of_many};
use crate::error::{Error, Kind, Result};
use crate::store::postgres::bare_connection;

/// Claimed ahead of what runs, by all lanes together.
const AHEAD: usize = 1000;

const LANES: usize = 2;

const SCHEMA: &str = "SET client_min_messages = error; DROP SCHEMA IF EXISTS delay_floor CASCADE;
    CREATE SCHEMA delay_floor;
    CREATE TABLE delay_floor.job(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, queue int NOT NULL DEFAULT 0,
        priority int NOT NULL DEFAULT 0, run_at timestamptz NOT NULL DEFAULT now(), state smallint NOT NULL DEFAULT 0,
        attempt int NOT NULL DEFAULT 0, lease timestamptz, func text NOT NULL, args bytea NOT NULL);
    CREATE INDEX job_ready ON delay_floor.job(queue, priority, run_at, id) WHERE state = 0;";

const PUT: &str = "INSERT INTO delay_floor.job(func, args) SELECT 'delay-bench', a FROM unnest($1) a";

const TURN: &str = "WITH d AS (DELETE FROM delay_floor.job WHERE id = ANY ($2))
    UPDATE delay_floor.job SET state = 1, attempt = attempt + 1, lease = now() + interval '1 minute'
    WHERE id = ANY (ARRAY(SELECT id FROM delay_floor.job WHERE queue = 0 AND state = 0 AND run_at <= now()
        ORDER BY priority, run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING id, attempt, func, args";

const END: &str = "DELETE FROM delay_floor.job WHERE id = ANY ($1)";

fn trouble(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::with_source(Kind::Other, "the floor's server failed", error)
}

/// The one who adds: what gathers while one insert is on its way is the next.
#[derive(Clone)]
struct Writer(mpsc::UnboundedSender<(Vec<u8>, oneshot::Sender<()>)>);

impl Writer {
    async fn start(client: Client) -> Result<Self> {
        let put = client.prepare_typed(PUT, &[Type::BYTEA_ARRAY]).await.map_err(trouble)?;
        let (sender, mut inbox) = mpsc::unbounded_channel::<(Vec<u8>, oneshot::Sender<()>)>();
        tokio::spawn(async move {
            let mut gathered = Vec::new();
            while inbox.recv_many(&mut gathered, 1000).await > 0 {
                let (args, answers): (Vec<_>, Vec<_>) = gathered.drain(..).unzip();
                if let Err(error) = client.execute(&put, &[&args]).await {
                    return tracing::error!(%error, "the floor's writer failed");
                }
                answers.into_iter().for_each(|answer| {
                    let _ = answer.send(());
                });
            }
        });
        Ok(Self(sender))
    }

    async fn put(&self, args: Vec<u8>) -> Result<()> {
        let (answer, done) = oneshot::channel();
        let _ = self.0.send((args, answer));
        done.await.map_err(trouble)
    }
}

struct Producer(Writer, Vec<u8>);

impl AsyncFnOnceSend for Producer {
    async fn run(self, left: Arc<AtomicUsize>, begin: Instant) -> Result<usize> {
        let mut done = 0;
        while goes_on(&left, begin) {
            self.0.put(self.1.clone()).await?;
            done += 1;
        }
        Ok(done)
    }
}

/// The same measurements as of the real store, in a schema beside it.
pub(super) async fn round(url: &str, args: &BenchArgs, figures: &mut Figures) -> Result<()> {
    let payload = vec![b'x'; args.payload];
    let client = bare_connection(url).await?;
    let fresh = async || client.batch_execute(SCHEMA).await.map_err(trouble);

    fresh().await?;
    let writer = Writer::start(bare_connection(url).await?).await?;
    let one = async || {
        writer.put(payload.clone()).await?;
        Ok(1)
    };
    figures.enqueue_1.push(rate(args.tasks, one).await?);
    let producer = || Producer(writer.clone(), payload.clone());
    figures.enqueue_p.push(rate_of_many(args.producers, args.tasks, producer).await?);

    fresh().await?;
    let begin = Instant::now();
    let put = client.prepare_typed(PUT, &[Type::BYTEA_ARRAY]).await.map_err(trouble)?;
    let mut added = 0;
    while added < args.tasks {
        let batch = BATCH.min(args.tasks - added);
        client.execute(&put, &[&vec![payload.as_slice(); batch]]).await.map_err(trouble)?;
        added += batch;
    }
    figures.enqueue_batch.push(added as f64 / begin.elapsed().as_secs_f64());
    let begin = Instant::now();
    serve(url, args.concurrency, args.tasks, Arc::default(), None).await?;
    figures.drain.push(args.tasks as f64 / begin.elapsed().as_secs_f64());

    fresh().await?;
    let writer = Writer::start(bare_connection(url).await?).await?;
    let wake = Arc::new(Notify::new());
    let (times, mut started) = mpsc::unbounded_channel();
    let tasks = args.tasks.min(200);
    let (at, concurrency, woken) = (url.to_owned(), args.concurrency, Arc::clone(&wake));
    let serving = tokio::spawn(async move { serve(&at, concurrency, tasks, woken, Some(times)).await });
    for _ in 0..tasks {
        let begin = Instant::now();
        writer.put(payload.clone()).await?;
        wake.notify_one();
        if let Some(start) = started.recv().await {
            figures.latency.push(start.saturating_duration_since(begin).as_secs_f64() * 1000.0);
        }
        // The worker finishes it and goes idle again.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    serving.await.map_err(trouble)??;
    client.batch_execute("DROP SCHEMA delay_floor CASCADE").await.map_err(trouble)
}

/// Lanes that share the work until `tasks` are done. One task at a time is one lane's affair.
async fn serve(
    url: &str,
    concurrency: usize,
    tasks: usize,
    wake: Arc<Notify>,
    times: Option<mpsc::UnboundedSender<Instant>>,
) -> Result<()> {
    let lanes = if times.is_some() { 1 } else { LANES.min(concurrency) };
    let left = Arc::new(AtomicUsize::new(tasks));
    let mut running = Vec::new();
    for _ in 0..lanes {
        let client = bare_connection(url).await?;
        let lane =
            Lane { client, concurrency: concurrency.div_ceil(lanes), ahead: AHEAD, left: Arc::clone(&left) };
        running.push(tokio::spawn(lane.run(Arc::clone(&wake), times.clone())));
    }
    for lane in running {
        lane.await.map_err(trouble)??;
    }
    Ok(())
}

type Claims = Vec<(i64, Vec<u8>)>;

struct Lane {
    client: Client,
    concurrency: usize,
    ahead: usize,
    left: Arc<AtomicUsize>,
}

impl Lane {
    async fn run(self, wake: Arc<Notify>, times: Option<mpsc::UnboundedSender<Instant>>) -> Result<()> {
        let turn = self.client.prepare_typed(TURN, &[Type::INT8, Type::INT8_ARRAY]).await.map_err(trouble)?;
        let end = self.client.prepare_typed(END, &[Type::INT8_ARRAY]).await.map_err(trouble)?;
        let client = &self.client;
        let exchange = async |want: usize, done: Vec<i64>| -> Result<(usize, usize, Claims)> {
            if want == 0 {
                client.execute(&end, &[&done]).await.map_err(trouble)?;
                return Ok((done.len(), 0, Vec::new()));
            }
            let rows = client.query(&turn, &[&(want as i64), &done]).await.map_err(trouble)?;
            Ok((done.len(), want, rows.iter().map(|row| (row.get(0), row.get(3))).collect()))
        };
        let (ended, mut inbox) = mpsc::unbounded_channel::<i64>();
        let (mut ready, mut done, mut buffer) = (VecDeque::<(i64, Vec<u8>)>::new(), Vec::new(), Vec::new());
        let (mut running, mut dry, mut woken) = (0, false, false);
        let mut sent = None;
        while self.left.load(Ordering::Relaxed) > 0 {
            while running < self.concurrency {
                let Some((id, args)) = ready.pop_front() else { break };
                running += 1;
                let (ended, times) = (ended.clone(), times.clone());
                tokio::spawn(async move {
                    if let Some(times) = times {
                        let _ = times.send(Instant::now());
                    }
                    std::hint::black_box(args);
                    let _ = ended.send(id);
                });
            }
            if sent.is_none() {
                let room = if dry { 0 } else { self.ahead - ready.len().min(self.ahead) };
                let want = if room >= self.ahead / 2 { room } else { 0 };
                if want > 0 || !done.is_empty() {
                    woken &= want == 0;
                    sent = Some(Box::pin(exchange(want, std::mem::take(&mut done))));
                }
            }
            tokio::select! {
                biased;
                count = inbox.recv_many(&mut buffer, 4096) => {
                    running -= count;
                    done.append(&mut buffer);
                }
                turned = async { sent.as_mut().expect("guarded").await }, if sent.is_some() => {
                    sent = None;
                    let (settled, want, claims) = turned?;
                    self.left.fetch_sub(settled, Ordering::Relaxed);
                    dry |= claims.len() < want && !woken;
                    ready.extend(claims);
                }
                () = wake.notified() => (dry, woken) = (false, true),
                // The other lane may have done the rest.
                () = tokio::time::sleep(Duration::from_millis(20)), if dry && running == 0 => {}
            }
        }
        Ok(())
    }
}
