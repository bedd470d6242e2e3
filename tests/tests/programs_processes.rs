//! Programs that are carried from process to process: by SIGTERM, by `kill -9`, from engine to engine, on each store that
//! processes can share.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::collections::BTreeMap;
use std::process::Command;

use delay::process::program::task;
use delay::{Client, Handle, TaskState};
use delay_tests::postgres::Schema;
use delay_tests::{BOUND, Signal};
use tempfile::TempDir;

#[path = "examples/program.rs"]
#[allow(dead_code)]
mod program;

use program::Running;

const N: u32 = 30_000_000;

/// What the program gives, computed here.
fn expected(n: u32) -> u64 {
    fn mix(x: u64, deep: u64) -> u64 {
        let mut mixed = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        if deep > 0 {
            mixed = mixed.wrapping_add(mix(mixed, deep - 1));
        }
        mixed ^ x ^ deep
    }
    (0..n).fold(1, |x, i| mix(x + u64::from(i), 3))
}

fn start(url: &str, engine: &str) -> Running {
    Running::start(Command::new(env!("CARGO_BIN_EXE_program_worker")).args([url, engine]))
}

/// How far the program says it was, in the order of its saying so.
fn positions(text: &str) -> Vec<u32> {
    text.lines().filter_map(|line| line.rsplit_once(" at ")?.1.trim().parse().ok()).collect()
}

/// How often the worker has said that something moved in its store.
fn moves(text: &str) -> usize {
    text.lines().filter(|line| *line == "moved").count()
}

/// The next checkpoint but `last`, or nothing if the task finishes before.
async fn next_checkpoint(
    worker: &Running,
    client: &Client,
    handle: &Handle<u64>,
    last: Option<&Vec<u8>>,
) -> Option<Vec<u8>> {
    loop {
        let before = moves(&worker.stdout.text());
        let found = client.store().snapshot(handle.id()).await.unwrap();
        let record = client.store().get(vec![handle.id()]).await.unwrap().remove(0).unwrap();
        if record.state.is_finished() {
            return None;
        }
        if found.as_ref().is_some_and(|found| Some(found) != last) {
            return found;
        }
        let moved = worker.stdout.shows_enough("another checkpoint", |text| moves(text) > before);
        assert!(moved, "it ended: {}", worker.stderr.text());
    }
}

/// Workers are killed again and again, each on the other engine; what was done before a checkpoint is not done again.
async fn killed(url: &str) {
    let client = Client::open(url).await.unwrap();
    let handle = task::<u64>("count", &BTreeMap::from([("n", N)])).add(&client).await.unwrap();
    let mut kills = 0;
    let mut kept = 0;
    for engine in ["wasmtime", "wasmi", "wasmtime", "wasmi"] {
        let worker = start(url, engine);
        let first = next_checkpoint(&worker, &client, &handle, None).await;
        // All of this was said before the checkpoint after the next one was taken: the next is stored after the first was
        // seen, and the one after it is taken after that.
        let before = positions(&worker.stdout.text()).last().copied();
        let second = next_checkpoint(&worker, &client, &handle, first.as_ref()).await;
        let third = next_checkpoint(&worker, &client, &handle, second.as_ref()).await;
        if third.is_none() {
            break;
        }
        worker.signal(Signal::KILL);
        let began = positions(&worker.stdout.text()).first().copied();
        assert!(began.is_none_or(|began| began >= kept), "it began at {began:?}, and {kept} was kept");
        kept = before.unwrap_or(kept);
        assert!(!worker.end().status.success());
        kills += 1;
    }
    assert!(kills >= 2, "{kills} kills");
    let worker = start(url, "wasmtime");
    let value = tokio::time::timeout(BOUND, handle.result()).await.expect("it ends").unwrap();
    assert_eq!(value, expected(N));
    let began = positions(&worker.stdout.text()).first().copied();
    assert!(began.is_none_or(|began| began >= kept), "it began at {began:?}, and {kept} was kept");
    let record = client.store().get(vec![handle.id()]).await.unwrap().remove(0).unwrap();
    assert_eq!(record.attempt, 1, "no crash has spent an attempt");
    worker.signal(Signal::TERM);
    assert!(worker.end().status.success());
    client.close().await.unwrap();
}

/// Workers are told to stop; each goes on exactly where the one before was.
async fn stopped(url: &str) {
    let client = Client::open(url).await.unwrap();
    let handle = task::<u64>("count", &BTreeMap::from([("n", N)])).add(&client).await.unwrap();
    let mut last = None;
    for engine in ["wasmtime", "wasmi", "wasmtime", "wasmi", "wasmtime"] {
        let worker = start(url, engine);
        assert!(worker.stdout.shows(" at "), "it said nothing: {}", worker.stderr.text());
        worker.signal(Signal::TERM);
        let ended = worker.end();
        assert!(ended.status.success(), "{}", ended.stderr);
        let said = positions(&String::from_utf8_lossy(&ended.stdout));
        let record = client.store().get(vec![handle.id()]).await.unwrap().remove(0).unwrap();
        assert_eq!((record.state, record.attempt, record.crashes), (TaskState::Ready, 0, 0));
        // Nothing is said twice: a stop loses nothing.
        for at in said {
            assert_eq!(at, last.map_or(0, |last| last + 65536), "on {engine}");
            last = Some(at);
        }
    }
    let worker = start(url, "wasmtime");
    let value = tokio::time::timeout(BOUND, handle.result()).await.expect("it ends").unwrap();
    assert_eq!(value, expected(N));
    assert_eq!(positions(&worker.stdout.text()).first().copied(), last.map(|last| last + 65536));
    worker.signal(Signal::TERM);
    assert!(worker.end().status.success());
    client.close().await.unwrap();
}

fn sqlite(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("jobs.db").display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_costs_a_program_no_more_than_its_last_checkpoint() {
    let folder = TempDir::new().unwrap();
    killed(&sqlite(&folder)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_costs_a_program_nothing() {
    let folder = TempDir::new().unwrap();
    stopped(&sqlite(&folder)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_on_a_server_costs_a_program_nothing() {
    let schema = Schema::fresh();
    stopped(&schema.url_with("")).await;
}
