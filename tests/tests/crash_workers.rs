//! Several worker processes on one file: they share the work, and one takes up what another leaves when it is killed,
//! hangs, or dies of a task.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use delay::{Hold, Result, TaskId, TaskState};
use delay_tests::history::{self, Event, Taken, What, check};
use delay_tests::{Call, Orders, Place, Process, Signal, Work};

const CRASH_WORKER: &str = env!("CARGO_BIN_EXE_crash_worker");

fn worker(place: &Place, work: Work) -> Process {
    Process::start(CRASH_WORKER, &Orders { work: Some(work), ..place.orders() })
}

/// One whose gate is open.
fn open_worker(place: &Place, work: Work) -> Process {
    let mut process = worker(place, work);
    process.open_gate();
    process
}

fn until_started(process: &mut Process, tasks: usize) {
    let mut started = HashSet::new();
    process.until("its tasks have begun", |what| {
        if let What::Started { id, .. } = what {
            started.insert(*id);
        }
        (started.len() == tasks).then_some(())
    });
}

fn until_settled(process: &mut Process, task: TaskId) -> (i64, Taken) {
    process.until("the answer for a task's end", |what| match what {
        What::Settled { id, epoch, taken, .. } if id.0 == task => Some((*epoch, *taken)),
        _ => None,
    })
}

fn stop(mut process: Process) {
    process.signal(Signal::TERM);
    assert!(process.end().success());
}

async fn checked(place: &Place) -> Result<Vec<Event>> {
    let events = history::read(&place.history());
    if let Err(faults) = check(&events, &place.records().await?) {
        panic!("{faults:?}");
    }
    Ok(events)
}

#[tokio::test]
async fn two_workers_share_a_backlog_and_run_each_task_once() -> Result<()> {
    let place = Place::new();
    let backlog = [vec![Call::Gate; 4], vec![Call::Busy(50); 300]].concat();
    let ids = place.add(CRASH_WORKER, backlog);
    let four = || Work { concurrency: 4, ..Work::default() };
    let mut one = worker(&place, four());
    until_started(&mut one, 4);
    let mut other = open_worker(&place, four());
    let mut ran = 0;
    other.until("it has done a part", |what| {
        ran += usize::from(matches!(what, What::Ran { .. }));
        (ran == 50).then_some(())
    });
    one.open_gate();
    place.drained().await?;
    stop(one);
    stop(other);
    let mut by: HashMap<TaskId, Vec<u32>> = HashMap::new();
    for event in checked(&place).await? {
        if let What::Ran { id } = event.what {
            by.entry(id.0).or_default().push(event.pid);
        }
    }
    assert_eq!(by.keys().collect::<HashSet<_>>(), ids.iter().collect());
    assert!(by.values().all(|pids| pids.len() == 1), "each task ran once");
    assert_eq!(by.values().flatten().collect::<HashSet<_>>().len(), 2, "both did some");
    Ok(())
}

#[tokio::test]
async fn a_killed_workers_tasks_run_again_at_once_however_long_its_lease_is() -> Result<()> {
    let place = Place::new();
    let ids = place.add(CRASH_WORKER, vec![Call::Gate; 3]);
    let mut victim = worker(&place, Work::default());
    until_started(&mut victim, 3);
    let mut heir = open_worker(&place, Work::default());
    heir.until("it works", |what| matches!(what, What::Note { .. }).then_some(()));
    victim.kill();
    place.drained().await?;
    stop(heir);
    checked(&place).await?;
    for record in place.records().await? {
        assert!(ids.contains(&record.id));
        assert_eq!((record.state, record.epoch), (TaskState::Succeeded, 2));
        assert_eq!((record.attempt, record.crashes), (1, 1), "a crash spends no attempt");
    }
    Ok(())
}

#[tokio::test]
async fn a_worker_that_starts_after_the_kill_takes_the_tasks_up_as_well() -> Result<()> {
    let place = Place::new();
    place.add(CRASH_WORKER, vec![Call::Gate; 3]);
    let mut victim = worker(&place, Work::default());
    until_started(&mut victim, 3);
    victim.kill();
    let heir = open_worker(&place, Work::default());
    place.drained().await?;
    stop(heir);
    checked(&place).await.map(drop)
}

/// Stops a process where it holds no lock of the store's file: nobody could write for as long.
fn freeze(process: &Process, place: &Place) {
    process.freeze();
    while place.is_held() {
        process.signal(Signal::CONT);
        process.freeze();
    }
}

/// A worker that hangs in the middle of a task, and another that has taken the task over and finished it.
fn a_hung_worker_and_its_heir(place: &Place) -> (Process, Process, TaskId) {
    let id = place.add(CRASH_WORKER, [Call::Gate])[0];
    let short = || Work { lease: Duration::from_secs(1), ..Work::default() };
    let mut hung = worker(place, short());
    until_started(&mut hung, 1);
    freeze(&hung, place);
    let mut heir = open_worker(place, short());
    assert_eq!(until_settled(&mut heir, id), (2, Taken::Applied));
    (hung, heir, id)
}

#[tokio::test]
async fn a_worker_that_hung_past_its_lease_is_refused_and_goes_on_with_other_tasks() -> Result<()> {
    let place = Place::new();
    let (mut hung, heir, id) = a_hung_worker_and_its_heir(&place);
    stop(heir);
    hung.signal(Signal::CONT);
    let (epoch, taken) = until_settled(&mut hung, id);
    assert_eq!(epoch, 1);
    assert!(matches!(taken, Taken::Stale | Taken::Refused), "{taken:?}");
    // It has made itself known again, and works.
    let next = place.add(CRASH_WORKER, [Call::Quick])[0];
    assert_eq!(until_settled(&mut hung, next), (1, Taken::Applied));
    stop(hung);
    checked(&place).await.map(drop)
}

#[tokio::test]
async fn a_worker_that_finishes_a_task_after_its_lease_changes_nothing() -> Result<()> {
    let place = Place::new();
    let (mut hung, heir, id) = a_hung_worker_and_its_heir(&place);
    let before = place.records().await?;
    hung.open_gate();
    hung.signal(Signal::CONT);
    // Once it works again it has said all that it had to say of the old task.
    stop(heir);
    let next = place.add(CRASH_WORKER, [Call::Quick])[0];
    assert_eq!(until_settled(&mut hung, next), (1, Taken::Applied));
    stop(hung);
    let after = place.records().await?;
    assert_eq!(after.iter().find(|record| record.id == id), before.first());
    checked(&place).await.map(drop)
}

#[tokio::test]
async fn a_task_that_kills_its_processes_is_held_and_the_others_are_done() -> Result<()> {
    let place = Place::new();
    let ids = place.add(CRASH_WORKER, [Call::Abort, Call::Quick, Call::Plain, Call::Quick]);
    let careful = || Work { concurrency: 1, max_crashes: 3, ..Work::default() };
    for _ in 0..3 {
        assert!(!worker(&place, careful()).end().success(), "the task takes the process with it");
    }
    let last = worker(&place, careful());
    let settled = |state| matches!(state, TaskState::Held | TaskState::Succeeded);
    place.until("one task to be held and the others to be done", settled).await?;
    stop(last);
    let records = place.records().await?;
    let poison = records.iter().find(|record| record.id == ids[0]).expect("nothing is dropped");
    assert_eq!((poison.state, poison.hold), (TaskState::Held, Some(Hold::Crashes)));
    assert_eq!((poison.attempt, poison.crashes, poison.epoch), (0, 3, 3));
    assert_eq!(records.iter().filter(|record| record.state == TaskState::Succeeded).count(), 3);
    Ok(())
}
