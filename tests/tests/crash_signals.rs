//! How a worker process ends when it is told to: it drains, gives back what does not end, and exits.

use std::time::Duration;

use delay::{Result, TaskId, TaskState};
use delay_tests::history::{End, Taken, What};
use delay_tests::{Call, Orders, Place, Process, Signal, Work};

const CRASH_WORKER: &str = env!("CARGO_BIN_EXE_crash_worker");

/// A worker with these tasks under way, and their ids.
fn at_work(place: &Place, calls: &[Call], work: Work) -> (Process, Vec<TaskId>) {
    let ids = place.add(CRASH_WORKER, calls.iter().copied());
    let concurrency = work.concurrency.min(calls.len());
    let mut process = Process::start(CRASH_WORKER, &Orders { work: Some(work), ..place.orders() });
    let mut started = 0;
    process.until("its tasks have begun", |what| {
        started += usize::from(matches!(what, What::Started { .. }));
        (started == concurrency).then_some(())
    });
    (process, ids)
}

fn short_grace() -> Work {
    Work { grace: Duration::from_millis(500), ..Work::default() }
}

async fn ended_in_order(place: &Place, process: &mut Process) -> Result<()> {
    let status = process.end();
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert_eq!(place.files(), ["history", "jobs.db"], "no journal, no lock, nothing set aside");
    assert!(place.records().await?.iter().all(|record| record.worker.is_none() && record.crashes == 0));
    Ok(())
}

#[tokio::test]
async fn at_sigterm_what_ends_is_finished_and_what_does_not_is_given_back() -> Result<()> {
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::new();
        let (mut process, ids) = at_work(&place, &[Call::Brief, Call::Endless], short_grace());
        process.signal(signal);
        ended_in_order(&place, &mut process).await?;
        let records = place.records().await?;
        let states: Vec<_> = records.iter().map(|record| (record.id, record.state, record.attempt)).collect();
        assert_eq!(states, [(ids[0], TaskState::Succeeded, 1), (ids[1], TaskState::Ready, 0)]);
        let given_back = process.seen().iter().any(|event| {
            let expected = (ids[1], End::Again, Taken::Applied);
            matches!(event.what, What::Settled { id, end, taken, .. } if (id.0, end, taken) == expected)
        });
        assert!(given_back, "it was given back by name, not only by leaving");
    }
    Ok(())
}

#[tokio::test]
async fn at_sigterm_claimed_tasks_that_have_not_begun_are_given_back() -> Result<()> {
    let place = Place::new();
    let calls = [vec![Call::Endless; 2], vec![Call::Quick; 20]].concat();
    let (mut process, _) = at_work(&place, &calls, Work { concurrency: 2, ..short_grace() });
    process.signal(Signal::TERM);
    ended_in_order(&place, &mut process).await?;
    for record in place.records().await? {
        assert_eq!((record.state, record.attempt), (TaskState::Ready, 0));
    }
    Ok(())
}

#[tokio::test]
async fn a_drain_ends_as_soon_as_the_tasks_do() -> Result<()> {
    let place = Place::new();
    // The grace period is an hour: only the tasks' end can end it.
    let (mut process, _) = at_work(&place, &[Call::Brief, Call::Brief, Call::Gate], Work::default());
    process.signal(Signal::TERM);
    process.open_gate();
    ended_in_order(&place, &mut process).await?;
    assert!(place.records().await?.iter().all(|record| record.state == TaskState::Succeeded));
    Ok(())
}

#[tokio::test]
async fn nothing_new_is_begun_during_a_drain() -> Result<()> {
    let place = Place::new();
    let (mut process, _) = at_work(&place, &[Call::Endless, Call::Gate], Work::default());
    process.signal(Signal::TERM);
    process
        .until("the drain", |what| matches!(what, What::Note { text } if text == "stopping").then_some(()));
    let late = place.add(CRASH_WORKER, [Call::Quick])[0];
    process.open_gate();
    process.until("the end of the other task", |what| matches!(what, What::Settled { .. }).then_some(()));
    process.kill();
    let records = place.records().await?;
    let late = records.iter().find(|record| record.id == late).expect("it was added");
    assert_eq!((late.state, late.epoch), (TaskState::Ready, 0));
    Ok(())
}

fn until_it_drains(process: &mut Process) {
    process
        .until("the drain", |what| matches!(what, What::Note { text } if text == "stopping").then_some(()));
}

#[tokio::test]
async fn the_second_sigterm_ends_the_process_at_once() -> Result<()> {
    let place = Place::new();
    let (mut process, ids) = at_work(&place, &[Call::Endless], Work::default());
    process.signal(Signal::TERM);
    until_it_drains(&mut process);
    // Too soon after the first it would count as its echo.
    let status = process.insist(Signal::TERM, Duration::from_secs(1));
    assert_eq!(status.code(), Some(128 + 15), "{status:?}");
    // What it ran is another worker's at once.
    let mut heir = Process::start(CRASH_WORKER, &Orders { work: Some(short_grace()), ..place.orders() });
    heir.until("the task begins again", |what| match what {
        What::Started { id, attempt: 1 } if id.0 == ids[0] => Some(()),
        _ => None,
    });
    heir.signal(Signal::TERM);
    assert!(heir.end().success());
    Ok(())
}

/// Somebody who holds ctrl-c down.
#[tokio::test]
async fn signals_that_do_not_cease_end_the_process_too() -> Result<()> {
    let place = Place::new();
    let (mut process, _) = at_work(&place, &[Call::Endless], Work::default());
    process.signal(Signal::INT);
    until_it_drains(&mut process);
    let status = process.insist(Signal::INT, Duration::from_millis(50));
    assert_eq!(status.code(), Some(128 + 2), "{status:?}");
    Ok(())
}
