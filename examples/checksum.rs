//! Real work that survives: one delayed function per file of a tree, results that are kept, and a run that goes on
//! where it was killed.
//!
//! `cargo run --release --example checksum -- DIR` prints the SHA-256 of every file below `DIR`, byte for byte as
//! `find DIR -type f -print0 | LC_ALL=C sort -z | LC_ALL=C xargs -0 sha256sum` does. Stop it with ctrl-c or with
//! `kill -9` at any moment and start it again: nothing is enqueued twice, and only what is missing is read.
//!
//! A task's name is made of the file's absolute path, size and time of change. It stays taken for 23 hours after the
//! task's end, and the result is kept for 24. So a second run over the same tree takes the digests from the store,
//! reads what is new or has changed, and tries again what had failed. Keep the store's file out of the tree.
//!
//! A file that cannot be read fails alone: it is listed at the end, and the exit code is 1.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use delay::store::{Action, Retention};
use delay::{BoxError, Client, Context, Enqueue as _, Failure, FailureExt as _, Handle, Runtime};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle as Tokio;
use tokio::sync::mpsc;

#[path = "checksum/progress.rs"]
mod progress;
#[path = "checksum/sums.rs"]
mod sums;
#[path = "checksum/tree.rs"]
mod tree;

use progress::Progress;
use tree::Tree;

/// How many tasks are added in one round trip.
const BATCH: usize = 1000;

/// How far the walk may be ahead of the results, in files: the memory does not grow with the tree.
const AHEAD: usize = 50 * BATCH;

/// An hour less than results are kept: if a name is taken, its result is there.
const NAMES_KEPT: Duration = Duration::from_secs(23 * 3600);

type Digest = [u8; 32];

/// A file as it is to be printed, and its task.
struct Found {
    path: PathBuf,
    task: Handle<Digest>,
}

/// The delayed function. It is a plain one, for it blocks; it runs on a thread made for that.
#[delay::func("checksum", queue = "checksum", keep_result = "1d", retry(limit = 3))]
fn checksum(ctx: &Context, path: &OsStr) -> Result<Digest, BoxError> {
    let mut file = File::open(path).permanent()?; // no retry would open it
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if ctx.is_stopping() {
            return Err(Failure::snooze(Duration::ZERO).into()); // given back, without having spent an attempt
        }
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[delay::main]
async fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1).map(PathBuf::from).filter(|dir| dir.is_dir()) else {
        eprintln!("usage: cargo run --release --example checksum -- DIR");
        return ExitCode::from(2);
    };
    run(&dir).await.unwrap_or_else(|error| {
        eprintln!("checksum: {error}");
        ExitCode::from(2)
    })
}

async fn run(dir: &Path) -> Result<ExitCode, BoxError> {
    let rt = Runtime::builder(delay_examples::store())
        .queues(["checksum"])
        .concurrency(2 * std::thread::available_parallelism()?.get()) // one reads while another one computes
        .retention(Retention { tombstone: NAMES_KEPT, ..Retention::default() })
        .max_crashes(u32::MAX) // being killed is this program's way of life, it says nothing about a file
        .build()
        .await?;
    rt.start().await?;
    let progress = Progress::default();
    let code = tokio::select! {
        code = sum_up(rt.client(), dir, &progress) => code,
        signal = delay::shutdown_signal() => {
            progress.interrupted();
            Ok(ExitCode::from(u8::try_from(128 + signal).unwrap_or(1)))
        }
    };
    rt.stop().await?;
    code
}

/// Enqueues what there is to do, waits for the results in order, and prints them once all are there.
async fn sum_up(client: &Client, dir: &Path, progress: &Progress) -> Result<ExitCode, BoxError> {
    let (sender, mut found) = mpsc::channel(AHEAD);
    let enqueuing = enqueue(client.clone(), Tree::new(dir)?, sender, progress.clone());
    // A walk blocks while it reads folders: it has a thread of its own, and awaits the store from there.
    let enqueuing = tokio::task::spawn_blocking(|| Tokio::current().block_on(enqueuing));

    let mut lines = BufWriter::new(tempfile::tempfile()?);
    let mut failures = Vec::new();
    while let Some(Found { path, task }) = found.recv().await {
        match task.result().await {
            Ok(digest) => sums::write_line(&mut lines, &digest, &path)?,
            Err(error) if error.is_task_failed() || error.is_task_cancelled() => {
                failures.push(format!("{}: {error}", path.display()));
            }
            Err(error) => return Err(error.into()),
        }
        progress.done();
    }
    failures.extend(enqueuing.await??);
    progress.finished();

    let mut lines = lines.into_inner()?;
    lines.rewind()?;
    io::copy(&mut lines, &mut io::stdout().lock())?;
    for failure in &failures {
        eprintln!("checksum: {failure}");
    }
    Ok(ExitCode::from(u8::from(!failures.is_empty())))
}

/// Walks the tree and makes sure that every file has its task; gives what could not be walked.
async fn enqueue(
    client: Client,
    tree: Tree,
    found: mpsc::Sender<Found>,
    progress: Progress,
) -> Result<Vec<String>, BoxError> {
    let mut unreadable = Vec::new();
    let mut files =
        tree.files().filter_map(|file| file.map_err(|error| unreadable.push(error.to_string())).ok());
    loop {
        let batch: Vec<tree::File> = files.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        progress.found(batch.len());
        let tasks = batch.iter().map(|file| Checksum::task(file.absolute.as_os_str()).name(&file.version));
        let mut handles = Vec::with_capacity(batch.len());
        let mut known = Vec::new();
        for added in client.add_all(tasks).await? {
            match added {
                Ok(handle) => handles.push(handle),
                // An earlier run has enqueued it: its task is ours.
                Err(error) if error.is_already_added() => {
                    let id = error.task().ok_or(error)?;
                    known.push(id);
                    handles.push(client.handle(id));
                }
                Err(error) => return Err(error.into()),
            }
        }
        // Of the known tasks those that have failed run again; the others are not touched.
        client.store().act(Action::Retry, known).await?;
        for (file, task) in batch.into_iter().zip(handles) {
            if found.send(Found { path: file.path, task }).await.is_err() {
                return Ok(unreadable); // interrupted: nobody waits for results any more
            }
        }
    }
    drop(files);
    Ok(unreadable)
}
