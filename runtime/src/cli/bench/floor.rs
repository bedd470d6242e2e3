//! The floor: what the disk and SQLite give to a bare group-commit loop with the same shape (one writer thread, an
//! index on ready rows, claims of 1,000 ahead) and without what makes a queue of it: no names, fences, leases, history,
//! errors, or decoding.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use tokio::sync::{Notify, mpsc, oneshot};

use super::{AsyncFnOnceSend, BATCH, BenchArgs, Figures, goes_on, rate, rate_of_many};
use crate::error::{Error, Kind, Result};

/// Claimed ahead of what runs.
const AHEAD: usize = 1000;

const SCHEMA: &str = "CREATE TABLE job(id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, priority INTEGER NOT NULL,
        run_at INTEGER NOT NULL, state INTEGER NOT NULL, attempt INTEGER NOT NULL, lease INTEGER, func TEXT NOT NULL,
        args BLOB NOT NULL);
    CREATE INDEX job_ready ON job(queue, priority, run_at, id) WHERE state = 0;";

const PUT: &str = "INSERT INTO job(queue, priority, run_at, state, attempt, func, args)
    VALUES (0, 0, ?1, 0, 0, 'delay-bench', ?2)";

const CLAIM: &str = "UPDATE job SET state = 1, attempt = attempt + 1, lease = ?1 WHERE id IN
    (SELECT id FROM job WHERE queue = 0 AND state = 0 AND run_at <= ?2 ORDER BY priority, run_at, id LIMIT ?3)
    RETURNING id, args";

/// Ids and arguments.
type Claims = Vec<(i64, Vec<u8>)>;

enum Work {
    Put(Vec<u8>, oneshot::Sender<()>),
    PutMany(Vec<Vec<u8>>, oneshot::Sender<()>),
    Turn { done: Vec<i64>, want: usize, answer: oneshot::Sender<Claims> },
}

#[derive(Clone)]
struct Writer(mpsc::UnboundedSender<Work>);

fn trouble(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::with_source(Kind::Other, "the floor's store failed", error)
}

impl Writer {
    fn start(path: &PathBuf, durability: &str) -> Result<Self> {
        let connection = Connection::open(path).map_err(trouble)?;
        let setup = format!(
            "PRAGMA journal_mode = wal; PRAGMA synchronous = {durability}; PRAGMA temp_store = memory;
             PRAGMA cache_size = -64000; {SCHEMA}"
        );
        connection.execute_batch(&setup).map_err(trouble)?;
        let (sender, receiver) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            if let Err(error) = write(&connection, receiver) {
                tracing::error!(%error, "the floor's writer failed");
            }
        });
        Ok(Self(sender))
    }

    async fn ask<T>(&self, work: impl FnOnce(oneshot::Sender<T>) -> Work) -> Result<T> {
        let (answer, value) = oneshot::channel();
        let _ = self.0.send(work(answer));
        value.await.map_err(trouble)
    }
}

fn now_ms() -> i64 {
    crate::clock::Clock::System.now().as_micros() / 1000
}

fn write(connection: &Connection, mut receiver: mpsc::UnboundedReceiver<Work>) -> rusqlite::Result<()> {
    let mut group = Vec::new();
    while receiver.blocking_recv_many(&mut group, 1000) > 0 {
        let mut puts = Vec::new();
        let mut turns = Vec::new();
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut put = connection.prepare_cached(PUT)?;
        for work in group.drain(..) {
            match work {
                Work::Put(args, answer) => {
                    put.execute(params![now_ms(), args])?;
                    puts.push(answer);
                }
                Work::PutMany(many, answer) => {
                    for args in many {
                        put.execute(params![now_ms(), args])?;
                    }
                    puts.push(answer);
                }
                Work::Turn { done, want, answer } => turns.push((turn(connection, &done, want)?, answer)),
            }
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
        for answer in puts {
            let _ = answer.send(());
        }
        for (claims, answer) in turns {
            let _ = answer.send(claims);
        }
    }
    Ok(())
}

fn turn(connection: &Connection, done: &[i64], want: usize) -> rusqlite::Result<Claims> {
    let mut finish = connection.prepare_cached("DELETE FROM job WHERE id = ?1")?;
    for id in done {
        finish.execute([id])?;
    }
    if want == 0 {
        return Ok(Vec::new());
    }
    let now = now_ms();
    let mut claim = connection.prepare_cached(CLAIM)?;
    claim.query_map(params![now + 60_000, now, want as i64], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

struct Producer(Writer, Vec<u8>);

impl AsyncFnOnceSend for Producer {
    async fn run(self, left: Arc<AtomicUsize>, begin: Instant) -> Result<usize> {
        let mut done = 0;
        while goes_on(&left, begin) {
            self.0.ask(|answer| Work::Put(self.1.clone(), answer)).await?;
            done += 1;
        }
        Ok(done)
    }
}

/// The same measurements as of the real store, on a file beside it.
pub(super) async fn round(url: &str, args: &BenchArgs, figures: &mut Figures) -> Result<()> {
    let path = url.trim_start_matches("sqlite:").split('?').next().unwrap_or_default();
    let path = PathBuf::from(format!("{path}-floor"));
    let durability = if url.contains("durability=process") { "normal" } else { "full" };
    let payload = vec![b'x'; args.payload];
    let fresh = || {
        for end in ["", "-wal", "-shm"] {
            let mut file = path.clone().into_os_string();
            file.push(end);
            let _ = std::fs::remove_file(file);
        }
        Writer::start(&path, durability)
    };

    let writer = fresh()?;
    let one = async || {
        writer.ask(|answer| Work::Put(payload.clone(), answer)).await?;
        Ok(1)
    };
    figures.enqueue_1.push(rate(args.tasks, one).await?);
    let producer = || Producer(writer.clone(), payload.clone());
    figures.enqueue_p.push(rate_of_many(args.producers, args.tasks, producer).await?);

    let writer = fresh()?;
    let begin = Instant::now();
    let mut added = 0;
    while added < args.tasks {
        let batch = BATCH.min(args.tasks - added);
        writer.ask(|answer| Work::PutMany(vec![payload.clone(); batch], answer)).await?;
        added += batch;
    }
    figures.enqueue_batch.push(added as f64 / begin.elapsed().as_secs_f64());
    let begin = Instant::now();
    drain(&writer, args.concurrency, args.tasks, Arc::default(), None).await?;
    figures.drain.push(args.tasks as f64 / begin.elapsed().as_secs_f64());

    let writer = fresh()?;
    let wake = Arc::new(Notify::new());
    let (times, mut started) = mpsc::unbounded_channel();
    let tasks = args.tasks.min(200);
    let worker = writer.clone();
    let (woken, concurrency) = (Arc::clone(&wake), args.concurrency);
    let serving = tokio::spawn(async move { drain(&worker, concurrency, tasks, woken, Some(times)).await });
    for _ in 0..tasks {
        let begin = Instant::now();
        writer.ask(|answer| Work::Put(payload.clone(), answer)).await?;
        wake.notify_one();
        if let Some(start) = started.recv().await {
            figures.latency.push(start.saturating_duration_since(begin).as_secs_f64() * 1000.0);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    serving.await.map_err(trouble)??;
    fresh()?;
    for end in ["", "-wal", "-shm"] {
        let mut file = path.clone().into_os_string();
        file.push(end);
        let _ = std::fs::remove_file(file);
    }
    Ok(())
}

/// Claims ahead, keeps `concurrency` tasks running, finishes and claims in one transaction.
async fn drain(
    writer: &Writer,
    concurrency: usize,
    tasks: usize,
    wake: Arc<Notify>,
    times: Option<mpsc::UnboundedSender<Instant>>,
) -> Result<()> {
    let (ended, mut inbox) = mpsc::unbounded_channel::<i64>();
    let mut ready: VecDeque<(i64, Vec<u8>)> = VecDeque::new();
    let (mut running, mut finished, mut dry, mut woken) = (0, 0, false, false);
    let mut done = Vec::new();
    let mut buffer = Vec::new();
    let mut turn: Option<(usize, usize, oneshot::Receiver<Claims>)> = None;
    while finished < tasks {
        while running < concurrency {
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
        if turn.is_none() {
            let room = if dry { 0 } else { AHEAD - ready.len().min(AHEAD) };
            let want = if room >= AHEAD / 2 { room } else { 0 };
            if want > 0 || !done.is_empty() {
                woken &= want == 0;
                let (answer, claims) = oneshot::channel();
                let settling = done.len();
                let _ = writer.0.send(Work::Turn { done: std::mem::take(&mut done), want, answer });
                turn = Some((want, settling, claims));
            }
        }
        tokio::select! {
            biased;
            count = inbox.recv_many(&mut buffer, 4096) => {
                running -= count;
                done.append(&mut buffer);
            }
            claims = async { (&mut turn.as_mut().expect("guarded").2).await }, if turn.is_some() => {
                let claims = claims.map_err(trouble)?;
                if let Some((want, settled, _)) = turn.take() {
                    finished += settled;
                    dry |= claims.len() < want && !woken;
                }
                ready.extend(claims);
            }
            () = wake.notified() => (dry, woken) = (false, true),
        }
    }
    Ok(())
}
