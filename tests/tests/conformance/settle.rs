//! Ending attempts: each transition, and what the task looks like after it.

use std::time::Duration;

use delay::store::{Fence, Queues, Settled, Settlement, TaskRecord};
use delay::{Hold, Kept, Result, Task, TaskId, TaskState, Transition};
use delay_tests::{Fixture, Hand, task};

const MINUTE: Duration = Duration::from_secs(60);

/// Claims a fresh task, lets a minute pass, settles it, and gives what became of it.
async fn settled(f: &Fixture, transition: Transition) -> Result<TaskRecord> {
    let id = f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    f.advance(MINUTE);
    assert_eq!(hand.settle(&claim, transition).await?, Settled::Applied);
    let record = f.record(id).await?;
    assert_eq!((record.epoch, record.worker), (1, None));
    Ok(record)
}

fn retry(wait: Duration) -> Transition {
    Transition::Retry { wait, error: "why".into() }
}

pub(crate) async fn a_success_ends_the_task(f: Fixture) -> Result<()> {
    let record = settled(&f, Transition::Succeed(None)).await?;
    assert_eq!((record.state, record.attempt), (TaskState::Succeeded, 1));
    assert_eq!((record.finished, record.result, record.error), (Some(f.now()), None, None));
    Ok(())
}

pub(crate) async fn a_success_keeps_its_value(f: Fixture) -> Result<()> {
    let kept = Kept { value: vec![0, 1, 255], keep: MINUTE };
    let record = settled(&f, Transition::Succeed(Some(kept))).await?;
    assert_eq!((record.state, record.result), (TaskState::Succeeded, Some(vec![0, 1, 255])));
    Ok(())
}

pub(crate) async fn an_empty_value_is_kept_as_one(f: Fixture) -> Result<()> {
    let kept = Kept { value: Vec::new(), keep: MINUTE };
    assert_eq!(settled(&f, Transition::Succeed(Some(kept))).await?.result, Some(Vec::new()));
    Ok(())
}

pub(crate) async fn a_failure_keeps_its_reason(f: Fixture) -> Result<()> {
    let record = settled(&f, Transition::Fail { error: "bäd\0 card".into() }).await?;
    assert_eq!((record.state, record.attempt), (TaskState::Failed, 1));
    assert_eq!((record.finished, record.error.as_deref()), (Some(f.now()), Some("bäd\0 card")));
    Ok(())
}

pub(crate) async fn a_cancellation_keeps_its_reason(f: Fixture) -> Result<()> {
    let record = settled(&f, Transition::Cancel { reason: "not wanted".into() }).await?;
    assert_eq!((record.state, record.attempt), (TaskState::Cancelled, 1));
    assert_eq!((record.finished, record.error.as_deref()), (Some(f.now()), Some("not wanted")));
    Ok(())
}

pub(crate) async fn a_retry_waits_and_has_spent_the_attempt(f: Fixture) -> Result<()> {
    let record = settled(&f, retry(MINUTE)).await?;
    assert_eq!((record.state, record.attempt), (TaskState::Scheduled, 1));
    assert_eq!((record.eta, record.error.as_deref()), (f.now().after(MINUTE), Some("why")));
    assert_eq!(record.finished, None);
    Ok(())
}

pub(crate) async fn a_retry_without_a_wait_is_ready_at_once(f: Fixture) -> Result<()> {
    let record = settled(&f, retry(Duration::ZERO)).await?;
    assert_eq!((record.state, record.eta, record.attempt), (TaskState::Ready, f.now(), 1));
    Ok(())
}

pub(crate) async fn a_snooze_gives_the_attempt_back(f: Fixture) -> Result<()> {
    let record = settled(&f, Transition::Snooze { wait: MINUTE }).await?;
    assert_eq!((record.state, record.attempt), (TaskState::Scheduled, 0));
    assert_eq!((record.eta, record.error), (f.now().after(MINUTE), None));
    Ok(())
}

pub(crate) async fn a_snooze_without_a_wait_is_ready_at_once(f: Fixture) -> Result<()> {
    let record = settled(&f, Transition::Snooze { wait: Duration::ZERO }).await?;
    assert_eq!((record.state, record.attempt), (TaskState::Ready, 0));
    Ok(())
}

pub(crate) async fn a_refund_gives_the_attempt_back_and_keeps_the_place(f: Fixture) -> Result<()> {
    let due = f.now();
    let record = settled(&f, Transition::Refund).await?;
    assert_eq!((record.state, record.attempt, record.eta), (TaskState::Ready, 0, due));
    assert_eq!(record.error, None);
    Ok(())
}

pub(crate) async fn a_hold_says_why_and_gives_the_attempt_back(f: Fixture) -> Result<()> {
    let held = Transition::Hold { hold: Hold::Undecodable, error: "no map".into() };
    let record = settled(&f, held).await?;
    assert_eq!((record.state, record.attempt), (TaskState::Held, 0));
    assert_eq!((record.hold, record.error.as_deref()), (Some(Hold::Undecodable), Some("no map")));
    assert_eq!((record.finished, record.payload), (None, b"payload".to_vec()));
    Ok(())
}

pub(crate) async fn a_held_task_is_not_claimed(f: Fixture) -> Result<()> {
    settled(&f, Transition::Hold { hold: Hold::UnknownFunction, error: "f".into() }).await?;
    f.advance(1000 * MINUTE);
    assert!(Hand::enlist(f.store()).await?.claim(1).await?.is_empty());
    Ok(())
}

pub(crate) async fn a_retried_task_runs_again_when_its_wait_is_over(f: Fixture) -> Result<()> {
    settled(&f, retry(MINUTE)).await?;
    let hand = Hand::enlist(f.store()).await?;
    f.advance(MINUTE - Duration::from_micros(1));
    assert!(hand.claim(1).await?.is_empty());
    f.advance(Duration::from_micros(1));
    let claim = hand.claim_one().await?;
    assert_eq!((claim.attempt, claim.fence.epoch), (2, 2));
    Ok(())
}

pub(crate) async fn attempts_count_what_was_spent_and_epochs_each_claim(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let now = Duration::ZERO;
    let story = [
        (Transition::Refund, 1),
        (retry(now), 1),
        (Transition::Snooze { wait: now }, 2),
        (Transition::Refund, 2),
        (retry(now), 2),
        (retry(now), 3),
        (Transition::Succeed(None), 4),
    ];
    for (epoch, (transition, attempt)) in (1..).zip(story) {
        let claim = hand.claim_one().await?;
        assert_eq!((claim.attempt, claim.fence.epoch), (attempt, epoch));
        hand.settle(&claim, transition).await?;
    }
    Ok(())
}

pub(crate) async fn a_success_after_a_retry_still_tells_the_last_error(f: Fixture) -> Result<()> {
    let id = settled(&f, retry(Duration::ZERO)).await?.id;
    Hand::enlist(f.store()).await?.finish_one().await?;
    let record = f.record(id).await?;
    assert_eq!((record.state, record.error.as_deref()), (TaskState::Succeeded, Some("why")));
    Ok(())
}

pub(crate) async fn settling_twice_is_refused_the_second_time(f: Fixture) -> Result<()> {
    let now = Duration::ZERO;
    for transition in [Transition::Succeed(None), retry(now), retry(MINUTE), Transition::Refund] {
        let id = f.push(task()).await?;
        let hand = Hand::enlist(f.store()).await?;
        let claim = hand.claim_one().await?;
        assert_eq!(hand.settle(&claim, transition).await?, Settled::Applied);
        let before = f.record(id).await?;
        let late = Transition::Fail { error: "late".into() };
        assert_eq!(hand.settle(&claim, late).await?, Settled::Stale);
        assert_eq!(f.record(id).await?, before);
        f.store().act(delay::store::Action::Delete, vec![id]).await?;
    }
    Ok(())
}

pub(crate) async fn the_second_of_two_settlements_of_one_turn_is_refused(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let fence = hand.claim_one().await?.fence;
    let first = Settlement { fence, transition: Transition::Succeed(None) };
    let second = Settlement { fence, transition: Transition::Fail { error: "late".into() } };
    let turned = hand.turn(vec![first, second], 0, Queues::All).await?;
    assert_eq!(turned.settled, [Settled::Applied, Settled::Stale]);
    assert_eq!(f.record(id).await?.state, TaskState::Succeeded);
    Ok(())
}

pub(crate) async fn the_answers_of_a_turn_are_aligned_with_its_settlements(f: Fixture) -> Result<()> {
    f.store().push((0..3).map(|_| task()).collect()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claims = hand.claim(3).await?;
    hand.settle(&claims[1], Transition::Succeed(None)).await?;
    let settle = claims
        .iter()
        .map(|claim| Settlement { fence: claim.fence, transition: Transition::Fail { error: "e".into() } });
    let turned = hand.turn(settle.collect(), 0, Queues::All).await?;
    assert_eq!(turned.settled, [Settled::Applied, Settled::Stale, Settled::Applied]);
    assert_eq!(f.record(claims[1].fence.id).await?.state, TaskState::Succeeded);
    Ok(())
}

pub(crate) async fn a_turn_settles_before_it_claims(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let fence = hand.claim_one().await?.fence;
    let turned =
        hand.turn(vec![Settlement { fence, transition: Transition::Refund }], 1, Queues::All).await?;
    assert_eq!(turned.settled, [Settled::Applied]);
    assert_eq!((turned.claims[0].fence.id, turned.claims[0].fence.epoch), (id, 2));
    Ok(())
}

pub(crate) async fn a_settlement_of_an_unknown_task_is_refused(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let fence = Fence { id: TaskId::new(), row: -1, named: true, ..hand.claim_one().await?.fence };
    let settlement = Settlement { fence, transition: Transition::Succeed(None) };
    assert_eq!(hand.turn(vec![settlement], 0, Queues::All).await?.settled, [Settled::Stale]);
    Ok(())
}

pub(crate) async fn another_workers_attempt_cannot_be_settled(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let (owner, other) = (Hand::enlist(f.store()).await?, Hand::enlist(f.store()).await?);
    let claim = owner.claim_one().await?;
    assert_eq!(other.settle(&claim, Transition::Succeed(None)).await?, Settled::Stale);
    assert_eq!(other.settle(&claim, Transition::Refund).await?, Settled::Stale);
    assert_eq!(f.record(id).await?.state, TaskState::Running);
    assert_eq!(owner.settle(&claim, Transition::Succeed(None)).await?, Settled::Applied);
    Ok(())
}

pub(crate) async fn an_epoch_that_was_never_claimed_is_refused(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    for epoch in [i64::MIN, -1, 0, 2, i64::MAX] {
        let fence = Fence { epoch, ..claim.fence };
        let settlement = Settlement { fence, transition: Transition::Succeed(None) };
        assert_eq!(hand.turn(vec![settlement], 0, Queues::All).await?.settled, [Settled::Stale]);
        assert_eq!(f.store().start(vec![fence]).await?, [Settled::Stale]);
    }
    assert_eq!(f.record(id).await?.state, TaskState::Running);
    Ok(())
}

pub(crate) async fn a_waiting_task_cannot_be_settled_under_its_last_epoch(f: Fixture) -> Result<()> {
    let named = Task { name: Some("n".into()), ..task() };
    let id = f.push(named).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    hand.settle(&claim, Transition::Refund).await?;
    assert_eq!(hand.settle(&claim, Transition::Succeed(None)).await?, Settled::Stale);
    assert_eq!(f.store().start(vec![claim.fence]).await?, [Settled::Stale]);
    assert_eq!(f.record(id).await?.state, TaskState::Ready);
    Ok(())
}

pub(crate) async fn a_large_turn_is_settled_whole(f: Fixture) -> Result<()> {
    f.store().push((0..1000).map(|_| task()).collect()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claims = hand.claim(1000).await?;
    let settle: Vec<Settlement> = claims
        .iter()
        .map(|claim| Settlement { fence: claim.fence, transition: Transition::Succeed(None) })
        .collect();
    let turned = hand.turn(settle, 0, Queues::All).await?;
    assert_eq!(turned.settled, vec![Settled::Applied; 1000]);
    let counts = f.store().counts().await?;
    assert_eq!(
        counts.iter().map(|count| (count.state, count.tasks)).collect::<Vec<_>>(),
        [(TaskState::Succeeded, 1000)]
    );
    Ok(())
}
