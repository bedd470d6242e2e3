//! One file, many users: producers by the hundred, connections, and processes that open it at once.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};

use delay::store::sqlite::{SqliteOptions, SqliteStore};
use delay::store::{Enlist, Pushed, Queues, Store, Turn, UpkeepRules, WorkerId};
use delay::{Result, Task, TaskId};
use delay_tests::{Hand, Opened, soon, task};
use tempfile::TempDir;

fn open(path: &Path) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(SqliteStore::open(SqliteOptions::new(path))?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_256_producers_all_that_was_acknowledged_is_there() -> Result<()> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("jobs.db");
    let store = open(&path)?;
    let producers: Vec<_> = (0..256)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut added = Vec::new();
                for size in [1, 5, 1, 3, 10] {
                    let batch: Vec<Task> = (0..size).map(|_| task()).collect();
                    let ids: Vec<TaskId> = batch.iter().map(|task| task.id).collect();
                    assert!(store.push(batch).await?.iter().all(|pushed| *pushed == Pushed::Added));
                    added.extend(ids);
                }
                Ok::<_, delay::Error>(added)
            })
        })
        .collect();
    let mut added = Vec::new();
    for producer in producers {
        added.extend(soon("a producer", producer).await.expect("no panic")?);
    }
    assert_eq!(added.len(), 256 * 20);
    drop(store);
    let store = open(&path)?;
    assert!(store.get(added.clone()).await?.iter().all(Option::is_some));
    let claimed = Hand::enlist(&store).await?.claim(usize::MAX).await?;
    let claimed: HashSet<TaskId> = claimed.into_iter().map(|claim| claim.fence.id).collect();
    assert_eq!(claimed, added.into_iter().collect());
    Ok(())
}

/// Work that fails makes its whole group of commits start over: the others must not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_callers_error_is_nobody_elses() -> Result<()> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("jobs.db");
    let store = open(&path)?;
    let callers: Vec<_> = (0..120)
        .map(|i| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..10 {
                    match i % 4 {
                        0 => {
                            let worker = WorkerId(1_000_000);
                            let turn = Turn { worker, settle: Vec::new(), want: 1, queues: Queues::All };
                            assert!(store.turn(turn).await.is_err_and(|error| error.is_stale_lease()));
                        }
                        1 => {
                            let lease = delay_tests::LEASE;
                            let enlist = Enlist { name: "n".into(), lease, functions: Vec::new() };
                            store.enlist(enlist).await.map(drop)?;
                        }
                        _ => assert_eq!(store.push(vec![task()]).await?, [Pushed::Added]),
                    }
                }
                Ok::<_, delay::Error>(())
            })
        })
        .collect();
    for caller in callers {
        soon("a caller", caller).await.expect("no panic")?;
    }
    assert_eq!(store.counts().await?[0].tasks, 600);
    assert_eq!(store.workers().await?.len(), 300);
    // Each of the workers has its lock, and so is known to be dead as soon as its connection is.
    store.close().await?;
    let heir = open(&path)?;
    heir.upkeep(UpkeepRules::default()).await?;
    assert_eq!(heir.workers().await?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn two_connections_share_names_workers_and_tasks() -> Result<()> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("jobs.db");
    let (one, other) = (open(&path)?, open(&path)?);
    let named = || Task { name: Some("n".into()), ..task() };
    let first = named();
    one.push(vec![first.clone()]).await?;
    assert_eq!(other.push(vec![named()]).await?, [Pushed::NameTaken(first.id)]);
    let hand = Hand::enlist(&one).await?;
    let claim = hand.claim_one().await?;
    assert_eq!(other.workers().await?.len(), 1);
    let finished = other.signals().finished(first.id);
    hand.settle(&claim, delay::Transition::Succeed(None)).await?;
    soon("the end of a task, signalled to another connection", finished).await.expect("fired");
    Ok(())
}

/// Work of one's own is no reason to overlook that of others.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_that_never_rests_hears_of_what_another_one_finishes() -> Result<()> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("jobs.db");
    let (busy, other) = (open(&path)?, open(&path)?);
    let one = task();
    busy.push(vec![one.clone()]).await?;
    let hand = Hand::enlist(&other).await?;
    let claim = hand.claim_one().await?;
    let mut finished = busy.signals().finished(one.id);
    let work = async {
        loop {
            let (one, other) = tokio::join!(busy.push(vec![task()]), busy.push(vec![task()]));
            one.and(other).expect("a store that works");
        }
    };
    let heard = async {
        let _ = hand.settle(&claim, delay::Transition::Succeed(None)).await?;
        (&mut finished).await.expect("fired");
        Ok(())
    };
    tokio::select! {
        () = work => unreachable!("it has no end"),
        heard = soon("the end of a task, signalled to a busy connection", heard) => heard,
    }
}

#[test]
fn threads_that_open_a_new_file_at_once_all_get_it() {
    for _ in 0..100 {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("jobs.db");
        let barrier = Barrier::new(16);
        std::thread::scope(|scope| {
            let openers: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        open(&path).map(drop)
                    })
                })
                .collect();
            for opener in openers {
                opener.join().expect("no panic").expect("it opens");
            }
        });
    }
}

#[test]
fn processes_that_open_a_new_file_at_once_all_get_it() {
    let folder = TempDir::new().expect("a folder");
    for round in 0..10 {
        let url = format!("sqlite:{}", folder.path().join(format!("{round}.db")).display());
        let openers: Vec<_> = (0..8)
            .map(|_| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_open_store"));
                command.arg(&url).stdout(Stdio::piped()).spawn().expect("a process")
            })
            .collect();
        for opener in openers {
            let output = opener.wait_with_output().expect("its answer");
            let opened: Opened = serde_json::from_slice(&output.stdout).expect("one line of JSON");
            assert_eq!(opened.tasks, Some(0), "{opened:?}");
        }
    }
}
