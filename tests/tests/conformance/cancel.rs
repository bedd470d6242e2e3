//! Taking tasks back: waiting ones at once, running ones by way of their worker.

use std::time::Duration;

use delay::store::{Acted, Action, Queues, Settled, Settlement, UpkeepRules};
use delay::{Due, Hold, Result, Task, TaskId, TaskState, Transition};
use delay_tests::{Fixture, Hand, LEASE, task};

async fn cancel(f: &Fixture, id: TaskId) -> Result<Acted> {
    Ok(f.store().act(Action::Cancel, vec![id]).await?.pop().expect("an answer"))
}

async fn cancels(hand: &Hand) -> Result<Vec<TaskId>> {
    Ok(hand.turn(Vec::new(), 0, Queues::All).await?.cancels)
}

/// A task that runs, and that somebody has asked to cancel.
async fn asked(f: &Fixture) -> Result<(Hand, delay::store::Claim)> {
    let id = f.push(Task { name: Some("n".into()), ..task() }).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    assert_eq!(cancel(f, id).await?, Acted::Asked);
    Ok((hand, claim))
}

/// The next turn of anybody makes it cancelled instead of running it.
async fn is_cancelled_instead_of_run(f: &Fixture, id: TaskId) -> Result<()> {
    f.advance(Duration::from_secs(10));
    let other = Hand::enlist(&f.second().await?).await?;
    let turned = other.turn(Vec::new(), 10, Queues::All).await?;
    assert_eq!((turned.claims.len(), turned.cancels.len()), (0, 0));
    let record = f.record(id).await?;
    assert_eq!((record.state, record.finished), (TaskState::Cancelled, Some(f.now())));
    Ok(())
}

pub(crate) async fn a_ready_task_is_cancelled_at_once(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    assert_eq!(cancel(&f, id).await?, Acted::Done);
    let record = f.record(id).await?;
    assert_eq!((record.state, record.finished), (TaskState::Cancelled, Some(f.now())));
    assert!(record.error.is_some_and(|error| error.contains("before it ran")));
    assert!(Hand::enlist(f.store()).await?.claim(1).await?.is_empty());
    Ok(())
}

pub(crate) async fn a_scheduled_task_is_cancelled_at_once(f: Fixture) -> Result<()> {
    let id = f.push(Task { due: Due::In(LEASE), ..task() }).await?;
    assert_eq!(cancel(&f, id).await?, Acted::Done);
    f.advance(2 * LEASE);
    let turned = Hand::enlist(f.store()).await?.turn(Vec::new(), 1, Queues::All).await?;
    assert_eq!((turned.claims.len(), turned.next), (0, None));
    assert_eq!(f.record(id).await?.state, TaskState::Cancelled);
    Ok(())
}

pub(crate) async fn a_held_task_is_cancelled_at_once_and_held_no_more(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    hand.settle(&claim, Transition::Hold { hold: Hold::Undecodable, error: "e".into() }).await?;
    assert_eq!(cancel(&f, id).await?, Acted::Done);
    let record = f.record(id).await?;
    assert_eq!((record.state, record.hold), (TaskState::Cancelled, None));
    Ok(())
}

pub(crate) async fn a_running_task_goes_on_until_its_worker_hears_of_it(f: Fixture) -> Result<()> {
    let (hand, claim) = asked(&f).await?;
    assert_eq!(f.record(claim.fence.id).await?.state, TaskState::Running);
    assert_eq!(cancels(&hand).await?, [claim.fence.id]);
    Ok(())
}

pub(crate) async fn a_worker_is_told_until_the_attempt_has_ended(f: Fixture) -> Result<()> {
    let (hand, claim) = asked(&f).await?;
    assert_eq!(cancels(&hand).await?, [claim.fence.id]);
    assert_eq!(cancels(&hand).await?, [claim.fence.id]);
    hand.settle(&claim, Transition::Cancel { reason: "asked".into() }).await?;
    assert_eq!(cancels(&hand).await?, []);
    Ok(())
}

pub(crate) async fn only_the_worker_that_runs_the_task_is_told(f: Fixture) -> Result<()> {
    let (hand, claim) = asked(&f).await?;
    let other = Hand::enlist(f.store()).await?;
    let elsewhere = Hand::enlist(&f.second().await?).await?;
    assert_eq!(cancels(&other).await?, []);
    assert_eq!(cancels(&elsewhere).await?, []);
    assert_eq!(cancels(&hand).await?, [claim.fence.id]);
    Ok(())
}

pub(crate) async fn asking_twice_is_asking_once(f: Fixture) -> Result<()> {
    let (hand, claim) = asked(&f).await?;
    assert_eq!(cancel(&f, claim.fence.id).await?, Acted::Asked);
    assert_eq!(cancels(&hand).await?, [claim.fence.id]);
    Ok(())
}

pub(crate) async fn an_attempt_that_was_dropped_for_it_ends_cancelled(f: Fixture) -> Result<()> {
    let (hand, claim) = asked(&f).await?;
    let settled = hand.settle(&claim, Transition::Cancel { reason: "cancelled while it ran".into() }).await?;
    assert_eq!(settled, Settled::Applied);
    let record = f.record(claim.fence.id).await?;
    assert_eq!((record.state, record.attempt), (TaskState::Cancelled, 1));
    assert_eq!(record.error.as_deref(), Some("cancelled while it ran"));
    Ok(())
}

pub(crate) async fn a_success_wins_over_a_cancel_that_came_too_late(f: Fixture) -> Result<()> {
    let (hand, claim) = asked(&f).await?;
    let success = Settlement { fence: claim.fence, transition: Transition::Succeed(None) };
    let turned = hand.turn(vec![success], 0, Queues::All).await?;
    assert_eq!((turned.settled, turned.cancels), (vec![Settled::Applied], Vec::new()));
    assert_eq!(f.record(claim.fence.id).await?.state, TaskState::Succeeded);
    Ok(())
}

pub(crate) async fn a_cancel_is_honoured_if_the_attempt_was_refunded(f: Fixture) -> Result<()> {
    let (hand, claim) = asked(&f).await?;
    hand.settle(&claim, Transition::Refund).await?;
    let record = f.record(claim.fence.id).await?;
    assert_eq!(record.state, TaskState::Cancelled, "the turn that settles it honours it as well");
    Ok(())
}

pub(crate) async fn a_cancel_is_honoured_if_the_attempt_failed_and_is_to_be_retried(
    f: Fixture,
) -> Result<()> {
    let (hand, claim) = asked(&f).await?;
    hand.settle(&claim, Transition::Retry { wait: LEASE, error: "e".into() }).await?;
    assert_eq!(f.record(claim.fence.id).await?.state, TaskState::Cancelled);
    Ok(())
}

pub(crate) async fn a_cancel_is_honoured_before_the_same_turn_claims_the_task_again(
    f: Fixture,
) -> Result<()> {
    let (hand, claim) = asked(&f).await?;
    let transition = Transition::Retry { wait: Duration::ZERO, error: "e".into() };
    let turned = hand.turn(vec![Settlement { fence: claim.fence, transition }], 10, Queues::All).await?;
    assert_eq!((turned.settled, turned.claims.len()), (vec![Settled::Applied], 0));
    assert_eq!(f.record(claim.fence.id).await?.state, TaskState::Cancelled);
    Ok(())
}

pub(crate) async fn a_cancel_is_honoured_if_the_attempt_was_snoozed(f: Fixture) -> Result<()> {
    let (hand, claim) = asked(&f).await?;
    hand.settle(&claim, Transition::Snooze { wait: Duration::from_secs(1) }).await?;
    assert_eq!(f.record(claim.fence.id).await?.state, TaskState::Cancelled);
    Ok(())
}

pub(crate) async fn a_cancel_is_honoured_if_the_worker_retired(f: Fixture) -> Result<()> {
    let (hand, claim) = asked(&f).await?;
    f.store().retire(hand.id).await?;
    is_cancelled_instead_of_run(&f, claim.fence.id).await
}

pub(crate) async fn a_cancel_is_honoured_if_the_worker_died(f: Fixture) -> Result<()> {
    let (_, claim) = asked(&f).await?;
    f.advance(2 * LEASE);
    f.store().upkeep(UpkeepRules::default()).await?;
    is_cancelled_instead_of_run(&f, claim.fence.id).await
}

pub(crate) async fn a_retry_by_an_operator_outlives_the_cancel_before_it(f: Fixture) -> Result<()> {
    let (_, claim) = asked(&f).await?;
    f.advance(2 * LEASE);
    f.store().upkeep(UpkeepRules { max_crashes: 1, ..UpkeepRules::default() }).await?;
    assert_eq!(f.store().act(Action::Retry, vec![claim.fence.id]).await?, [Acted::Done]);
    assert_eq!(Hand::enlist(f.store()).await?.claim_one().await?.fence.id, claim.fence.id);
    Ok(())
}

pub(crate) async fn a_finished_task_cannot_be_cancelled(f: Fixture) -> Result<()> {
    let ends = [
        (Transition::Succeed(None), TaskState::Succeeded),
        (Transition::Fail { error: "e".into() }, TaskState::Failed),
        (Transition::Cancel { reason: "r".into() }, TaskState::Cancelled),
    ];
    let hand = Hand::enlist(f.store()).await?;
    for (transition, state) in ends {
        let id = f.push(task()).await?;
        let claim = hand.claim_one().await?;
        hand.settle(&claim, transition).await?;
        let before = f.record(id).await?;
        assert_eq!(cancel(&f, id).await?, Acted::Wrong(state));
        assert_eq!(f.record(id).await?, before);
    }
    assert_eq!(cancels(&hand).await?, []);
    Ok(())
}

pub(crate) async fn an_unknown_task_cannot_be_cancelled(f: Fixture) -> Result<()> {
    assert_eq!(cancel(&f, TaskId::new()).await?, Acted::Unknown);
    Ok(())
}
