//! Who is woken, and when. A signal may come too often; it must not fail to come.

use std::time::Duration;

use delay::store::{Action, Settled, UpkeepRules};
use delay::{Result, Task, Transition};
use delay_tests::{Fixture, Hand, LEASE, soon, task};
use tokio::sync::watch;

async fn changes(mut signal: watch::Receiver<u64>, what: &str) {
    soon(what, signal.changed()).await.expect("the store is open");
}

pub(crate) async fn an_added_task_is_signalled(f: Fixture) -> Result<()> {
    let signal = f.store().signals().subscribe();
    f.push(task()).await?;
    changes(signal, "an added task").await;
    Ok(())
}

pub(crate) async fn a_scheduled_task_is_signalled_so_that_workers_set_their_alarms(f: Fixture) -> Result<()> {
    let signal = f.store().signals().subscribe();
    f.push(Task { due: delay::Due::In(LEASE), ..task() }).await?;
    changes(signal, "a scheduled task").await;
    Ok(())
}

pub(crate) async fn each_subscriber_is_told(f: Fixture) -> Result<()> {
    let signals: Vec<_> = (0..3).map(|_| f.store().signals().subscribe()).collect();
    f.push(task()).await?;
    for signal in signals {
        changes(signal, "an added task").await;
    }
    Ok(())
}

pub(crate) async fn a_task_that_came_back_ready_is_signalled(f: Fixture) -> Result<()> {
    let ways_back = [
        Transition::Refund,
        Transition::Retry { wait: Duration::ZERO, error: "e".into() },
        Transition::Snooze { wait: Duration::ZERO },
    ];
    f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    for way_back in ways_back {
        let claim = hand.claim_one().await?;
        let signal = f.store().signals().subscribe();
        let what = format!("a signal after {way_back:?}");
        hand.settle(&claim, way_back).await?;
        changes(signal, &what).await;
    }
    Ok(())
}

pub(crate) async fn the_tasks_of_a_worker_that_retires_are_signalled(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    hand.claim_one().await?;
    let signal = f.store().signals().subscribe();
    f.store().retire(hand.id).await?;
    changes(signal, "the task of a retired worker").await;
    Ok(())
}

pub(crate) async fn rescued_tasks_are_signalled(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    Hand::enlist(f.store()).await?.claim_one().await?;
    f.advance(2 * LEASE);
    let signal = f.store().signals().subscribe();
    f.store().upkeep(UpkeepRules::default()).await?;
    changes(signal, "a rescued task").await;
    Ok(())
}

pub(crate) async fn promoted_tasks_are_signalled(f: Fixture) -> Result<()> {
    f.push(Task { due: delay::Due::In(LEASE), ..task() }).await?;
    f.advance(LEASE);
    let signal = f.store().signals().subscribe();
    f.store().upkeep(UpkeepRules::default()).await?;
    changes(signal, "a task that became due").await;
    Ok(())
}

pub(crate) async fn a_retry_by_an_operator_is_signalled(f: Fixture) -> Result<()> {
    let id = f.push(Task { due: delay::Due::In(LEASE), ..task() }).await?;
    let signal = f.store().signals().subscribe();
    f.store().act(Action::Retry, vec![id]).await?;
    changes(signal, "a retried task").await;
    Ok(())
}

pub(crate) async fn a_cancel_of_a_running_task_wakes_its_worker(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    Hand::enlist(f.store()).await?.claim_one().await?;
    let signal = f.store().signals().subscribe();
    f.store().act(Action::Cancel, vec![id]).await?;
    changes(signal, "a cancel").await;
    Ok(())
}

pub(crate) async fn what_another_connection_adds_is_signalled_here(f: Fixture) -> Result<()> {
    let second = f.second().await?;
    let signal = second.signals().subscribe();
    f.push(task()).await?;
    changes(signal, "a task that another connection added").await;
    Ok(())
}

pub(crate) async fn each_way_to_finish_fires(f: Fixture) -> Result<()> {
    let ends = [
        Transition::Succeed(None),
        Transition::Fail { error: "e".into() },
        Transition::Cancel { reason: "r".into() },
    ];
    let hand = Hand::enlist(f.store()).await?;
    for end in ends {
        let id = f.push(task()).await?;
        let finished = f.store().signals().finished(id);
        let also = f.store().signals().finished(id);
        let claim = hand.claim_one().await?;
        assert_eq!(hand.settle(&claim, end).await?, Settled::Applied);
        soon("the end of a task", finished).await.expect("fired");
        soon("the end of a task, by everybody who waits", also).await.expect("fired");
    }
    let id = f.push(task()).await?;
    let finished = f.store().signals().finished(id);
    f.store().act(Action::Cancel, vec![id]).await?;
    soon("the cancel of a waiting task", finished).await.expect("fired");
    Ok(())
}

pub(crate) async fn a_cancel_that_is_honoured_late_fires(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    hand.claim_one().await?;
    f.store().act(Action::Cancel, vec![id]).await?;
    f.store().retire(hand.id).await?;
    let finished = f.store().signals().finished(id);
    Hand::enlist(f.store()).await?.claim(1).await?;
    soon("the end of a cancelled task", finished).await.expect("fired");
    Ok(())
}

pub(crate) async fn what_another_connection_finishes_fires_here(f: Fixture) -> Result<()> {
    let second = f.second().await?;
    let id = f.push(task()).await?;
    let finished = second.signals().finished(id);
    Hand::enlist(f.store()).await?.finish_one().await?;
    soon("a task that another connection finished", finished).await.expect("fired");
    Ok(())
}
