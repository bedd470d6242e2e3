//! What operators do to single tasks: retry and delete. (Cancelling has a file of its own.)

use std::time::Duration;

use delay::store::{Acted, Action, UpkeepRules};
use delay::{Due, Hold, Result, Task, TaskId, TaskState, Transition};
use delay_tests::{Fixture, Hand, LEASE, task};

/// One task in each state, in the order of [`TaskState::ALL`].
async fn one_of_each(f: &Fixture) -> Result<Vec<TaskId>> {
    let hand = Hand::enlist(f.store()).await?;
    let mut ids = Vec::new();
    for state in TaskState::ALL {
        let due = if state == TaskState::Scheduled { Due::In(LEASE) } else { Due::Now };
        let priority = if state == TaskState::Ready { 1 } else { 0 };
        ids.push(f.push(Task { due, priority, ..task() }).await?);
        let end = match state {
            TaskState::Ready | TaskState::Scheduled => continue,
            TaskState::Running => None,
            TaskState::Held => Some(Transition::Hold { hold: Hold::Undecodable, error: "e".into() }),
            TaskState::Succeeded => Some(Transition::Succeed(None)),
            TaskState::Failed => Some(Transition::Fail { error: "e".into() }),
            TaskState::Cancelled => Some(Transition::Cancel { reason: "e".into() }),
        };
        let claim = hand.claim_one().await?;
        if let Some(end) = end {
            hand.settle(&claim, end).await?;
        }
    }
    for (id, state) in ids.iter().zip(TaskState::ALL) {
        assert_eq!(f.record(*id).await?.state, state);
    }
    Ok(ids)
}

pub(crate) async fn what_is_held_failed_cancelled_or_scheduled_can_be_retried(f: Fixture) -> Result<()> {
    use TaskState as S;
    let ids = one_of_each(&f).await?;
    let acted = f.store().act(Action::Retry, ids.clone()).await?;
    let wrong = Acted::Wrong;
    assert_eq!(
        acted,
        [
            wrong(S::Ready),
            Acted::Done,
            wrong(S::Running),
            Acted::Done,
            wrong(S::Succeeded),
            Acted::Done,
            Acted::Done
        ]
    );
    let mut states = Vec::new();
    for id in ids {
        states.push(f.record(id).await?.state);
    }
    assert_eq!(states, [S::Ready, S::Ready, S::Running, S::Ready, S::Succeeded, S::Ready, S::Ready]);
    Ok(())
}

pub(crate) async fn everything_but_a_running_task_can_be_deleted(f: Fixture) -> Result<()> {
    let ids = one_of_each(&f).await?;
    let acted = f.store().act(Action::Delete, ids.clone()).await?;
    for (acted, state) in acted.iter().zip(TaskState::ALL) {
        let expected = if state == TaskState::Running { Acted::Wrong(state) } else { Acted::Done };
        assert_eq!(*acted, expected);
    }
    let left: Vec<bool> = f.store().get(ids).await?.iter().map(Option::is_some).collect();
    assert_eq!(left, [false, false, true, false, false, false, false]);
    Ok(())
}

pub(crate) async fn a_deleted_task_is_not_claimed(f: Fixture) -> Result<()> {
    let ready = f.push(task()).await?;
    let scheduled = f.push(Task { due: Due::In(LEASE), ..task() }).await?;
    f.store().act(Action::Delete, vec![ready, scheduled]).await?;
    f.advance(2 * LEASE);
    let turned = Hand::enlist(f.store()).await?.turn(Vec::new(), 5, delay::store::Queues::All).await?;
    assert_eq!((turned.claims.len(), turned.next), (0, None));
    Ok(())
}

pub(crate) async fn a_deleted_task_can_be_added_again(f: Fixture) -> Result<()> {
    let given = task();
    f.push(given.clone()).await?;
    Hand::enlist(f.store()).await?.finish_one().await?;
    f.store().act(Action::Delete, vec![given.id]).await?;
    f.push(given.clone()).await?;
    assert_eq!(f.record(given.id).await?.state, TaskState::Ready);
    Ok(())
}

pub(crate) async fn the_answers_are_aligned_with_the_ids(f: Fixture) -> Result<()> {
    let (a, b) = (f.push(task()).await?, f.push(task()).await?);
    let acted = f.store().act(Action::Delete, vec![TaskId::new(), b, a, b]).await?;
    assert_eq!(acted, [Acted::Unknown, Acted::Done, Acted::Done, Acted::Unknown]);
    assert_eq!(f.store().act(Action::Retry, vec![a]).await?, [Acted::Unknown]);
    assert_eq!(f.store().act(Action::Retry, Vec::new()).await?, []);
    Ok(())
}

pub(crate) async fn a_retried_task_counts_its_attempts_anew(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    for _ in 0..3 {
        let claim = hand.claim_one().await?;
        hand.settle(&claim, Transition::Retry { wait: Duration::ZERO, error: "e".into() }).await?;
    }
    let claim = hand.claim_one().await?;
    assert_eq!(claim.attempt, 4);
    hand.settle(&claim, Transition::Fail { error: "gave up".into() }).await?;
    f.advance(LEASE);
    f.store().act(Action::Retry, vec![id]).await?;
    let record = f.record(id).await?;
    assert_eq!((record.state, record.attempt, record.eta), (TaskState::Ready, 0, f.now()));
    assert_eq!(record.finished, None);
    let claim = hand.claim_one().await?;
    assert_eq!((claim.attempt, claim.fence.epoch, claim.age), (1, 5, Duration::ZERO));
    Ok(())
}

pub(crate) async fn a_retried_task_is_not_pruned_by_its_former_end(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    hand.settle(&claim, Transition::Fail { error: "e".into() }).await?;
    f.store().act(Action::Retry, vec![id]).await?;
    f.advance(2 * Fixture::RETENTION.failed);
    assert_eq!(f.store().upkeep(UpkeepRules::default()).await?.pruned, 0);
    assert_eq!(f.record(id).await?.state, TaskState::Ready);
    Ok(())
}

pub(crate) async fn a_retried_task_is_claimed_once(f: Fixture) -> Result<()> {
    let id = f.push(Task { due: Due::In(LEASE), ..task() }).await?;
    f.store().act(Action::Retry, vec![id]).await?;
    let hand = Hand::enlist(f.store()).await?;
    assert_eq!(hand.claim(5).await?.len(), 1);
    f.advance(LEASE / 2);
    f.store().upkeep(UpkeepRules::default()).await?;
    assert!(hand.claim(5).await?.is_empty());
    Ok(())
}
