//! What running tasks leave for their next attempt, and the wish that they be suspended.

use std::time::Duration;

use delay::store::{Acted, Action, Claim, MOST_CHECKPOINT_BYTES, Settled, UpkeepRules};
use delay::{Hold, Result, TaskId, TaskState, Transition};
use delay_tests::{Fixture, Hand, LEASE, task};

/// A task that runs and has left `bytes`.
async fn kept(f: &Fixture, bytes: &[u8]) -> Result<(Hand, Claim)> {
    f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    assert_eq!(keep(f, &claim, bytes).await?, Settled::Applied);
    Ok((hand, claim))
}

async fn keep(f: &Fixture, claim: &Claim, bytes: &[u8]) -> Result<Settled> {
    f.store().checkpoint(claim.fence, Some(bytes.to_vec())).await
}

async fn left(f: &Fixture, id: TaskId) -> Result<Option<Vec<u8>>> {
    f.store().snapshot(id).await
}

async fn act(f: &Fixture, action: Action, id: TaskId) -> Result<Acted> {
    Ok(f.store().act(action, vec![id]).await?.remove(0))
}

async fn upkeep(f: &Fixture) -> Result<()> {
    f.store().upkeep(UpkeepRules::default()).await.map(drop)
}

async fn wishes(f: &Fixture, id: TaskId) -> Result<bool> {
    // Another task's wish is not this one's.
    Ok(f.store().suspends(vec![id, TaskId::new()]).await? == [id])
}

pub(crate) async fn what_a_running_attempt_leaves_is_kept(f: Fixture) -> Result<()> {
    let (_, claim) = kept(&f, b"half way").await?;
    assert_eq!(left(&f, claim.fence.id).await?.as_deref(), Some(&b"half way"[..]));
    let record = f.record(claim.fence.id).await?;
    assert_eq!((record.state, record.epoch), (TaskState::Running, claim.fence.epoch), "nothing else changes");
    Ok(())
}

pub(crate) async fn a_later_checkpoint_takes_the_place_of_the_one_before(f: Fixture) -> Result<()> {
    let (_, claim) = kept(&f, b"one").await?;
    keep(&f, &claim, b"another").await?;
    assert_eq!(left(&f, claim.fence.id).await?.as_deref(), Some(&b"another"[..]));
    Ok(())
}

pub(crate) async fn nothing_removes_what_was_kept(f: Fixture) -> Result<()> {
    let (_, claim) = kept(&f, b"one").await?;
    assert_eq!(f.store().checkpoint(claim.fence, None).await?, Settled::Applied);
    assert_eq!(left(&f, claim.fence.id).await?, None);
    assert_eq!(f.store().checkpoint(claim.fence, None).await?, Settled::Applied, "and again");
    Ok(())
}

pub(crate) async fn an_empty_checkpoint_is_one(f: Fixture) -> Result<()> {
    let (_, claim) = kept(&f, b"").await?;
    assert_eq!(left(&f, claim.fence.id).await?, Some(Vec::new()));
    Ok(())
}

pub(crate) async fn a_checkpoint_of_a_mebibyte_comes_back_whole(f: Fixture) -> Result<()> {
    let bytes: Vec<u8> = (0..1u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (_, claim) = kept(&f, &bytes).await?;
    assert!(left(&f, claim.fence.id).await? == Some(bytes));
    Ok(())
}

pub(crate) async fn a_task_without_one_has_none(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    assert_eq!(left(&f, id).await?, None);
    assert_eq!(left(&f, TaskId::new()).await?, None, "nor has one that is not there");
    Ok(())
}

pub(crate) async fn a_second_connection_sees_what_was_kept(f: Fixture) -> Result<()> {
    let (_, claim) = kept(&f, b"here").await?;
    let second = f.second().await?;
    assert_eq!(second.snapshot(claim.fence.id).await?.as_deref(), Some(&b"here"[..]));
    Ok(())
}

pub(crate) async fn a_stale_fence_keeps_nothing(f: Fixture) -> Result<()> {
    let (_, old) = kept(&f, b"old").await?;
    f.advance(2 * LEASE);
    upkeep(&f).await?;
    let new = Hand::enlist(f.store()).await?.claim_one().await?;
    assert_eq!(new.fence.id, old.fence.id);
    assert_eq!(keep(&f, &old, b"too late").await?, Settled::Stale);
    assert_eq!(f.store().checkpoint(old.fence, None).await?, Settled::Stale);
    assert_eq!(left(&f, old.fence.id).await?.as_deref(), Some(&b"old"[..]));
    assert_eq!(keep(&f, &new, b"new").await?, Settled::Applied);
    assert_eq!(keep(&f, &old, b"too late").await?, Settled::Stale);
    assert_eq!(left(&f, old.fence.id).await?.as_deref(), Some(&b"new"[..]));
    Ok(())
}

pub(crate) async fn a_waiting_task_keeps_nothing_new(f: Fixture) -> Result<()> {
    let (hand, claim) = kept(&f, b"before").await?;
    hand.settle(&claim, Transition::Refund).await?;
    assert_eq!(keep(&f, &claim, b"after").await?, Settled::Stale);
    assert_eq!(left(&f, claim.fence.id).await?.as_deref(), Some(&b"before"[..]));
    Ok(())
}

pub(crate) async fn an_epoch_that_was_never_claimed_keeps_nothing(f: Fixture) -> Result<()> {
    let (_, mut claim) = kept(&f, b"one").await?;
    claim.fence.epoch += 1;
    assert_eq!(keep(&f, &claim, b"another").await?, Settled::Stale);
    claim.fence.id = TaskId::new();
    assert_eq!(keep(&f, &claim, b"another").await?, Settled::Stale);
    Ok(())
}

pub(crate) async fn what_was_kept_outlives_every_way_back(f: Fixture) -> Result<()> {
    let ways_back = [
        Transition::Refund,
        Transition::Retry { wait: Duration::ZERO, error: "e".into() },
        Transition::Retry { wait: Duration::from_secs(60), error: "e".into() },
        Transition::Snooze { wait: Duration::from_secs(60) },
    ];
    for way_back in ways_back {
        let (hand, claim) = kept(&f, b"half way").await?;
        hand.settle(&claim, way_back.clone()).await?;
        upkeep(&f).await?;
        f.advance(Duration::from_secs(61));
        f.store().beat(hand.id).await?;
        let again = hand.claim_one().await?;
        assert_eq!(again.fence.id, claim.fence.id);
        assert_eq!(left(&f, claim.fence.id).await?.as_deref(), Some(&b"half way"[..]), "{way_back:?}");
        hand.settle(&again, Transition::Succeed(None)).await?;
    }
    Ok(())
}

pub(crate) async fn what_was_kept_outlives_a_crash(f: Fixture) -> Result<()> {
    let (_, claim) = kept(&f, b"half way").await?;
    f.advance(2 * LEASE);
    upkeep(&f).await?;
    assert_eq!(f.record(claim.fence.id).await?.crashes, 1);
    assert_eq!(left(&f, claim.fence.id).await?.as_deref(), Some(&b"half way"[..]));
    Ok(())
}

pub(crate) async fn what_was_kept_outlives_a_worker_that_retires(f: Fixture) -> Result<()> {
    let (hand, claim) = kept(&f, b"half way").await?;
    f.store().retire(hand.id).await?;
    upkeep(&f).await?;
    assert_eq!(left(&f, claim.fence.id).await?.as_deref(), Some(&b"half way"[..]));
    Ok(())
}

pub(crate) async fn what_was_kept_outlives_a_hold_and_its_release(f: Fixture) -> Result<()> {
    let (hand, claim) = kept(&f, b"half way").await?;
    hand.settle(&claim, Transition::Hold { hold: Hold::ForeignSnapshot, error: "why".into() }).await?;
    upkeep(&f).await?;
    assert_eq!(f.record(claim.fence.id).await?.hold, Some(Hold::ForeignSnapshot));
    assert_eq!(act(&f, Action::Release, claim.fence.id).await?, Acted::Done);
    assert_eq!(hand.claim_one().await?.fence.id, claim.fence.id);
    assert_eq!(left(&f, claim.fence.id).await?.as_deref(), Some(&b"half way"[..]));
    Ok(())
}

pub(crate) async fn each_end_removes_what_was_kept(f: Fixture) -> Result<()> {
    let ends = [
        Transition::Succeed(None),
        Transition::Fail { error: "why".into() },
        Transition::Cancel { reason: "why".into() },
    ];
    for end in ends {
        let (hand, claim) = kept(&f, b"half way").await?;
        hand.settle(&claim, end.clone()).await?;
        assert_eq!(left(&f, claim.fence.id).await?, None, "{end:?}");
        upkeep(&f).await?;
        assert_eq!(left(&f, claim.fence.id).await?, None, "{end:?}");
    }
    Ok(())
}

pub(crate) async fn a_retry_by_an_operator_begins_anew(f: Fixture) -> Result<()> {
    let (hand, claim) = kept(&f, b"half way").await?;
    hand.settle(&claim, Transition::Hold { hold: Hold::ForeignSnapshot, error: "why".into() }).await?;
    assert_eq!(act(&f, Action::Retry, claim.fence.id).await?, Acted::Done);
    assert_eq!(left(&f, claim.fence.id).await?, None);
    Ok(())
}

pub(crate) async fn a_retry_after_the_end_begins_anew(f: Fixture) -> Result<()> {
    let (hand, claim) = kept(&f, b"half way").await?;
    hand.settle(&claim, Transition::Fail { error: "why".into() }).await?;
    // At once: upkeep has not been here.
    assert_eq!(act(&f, Action::Retry, claim.fence.id).await?, Acted::Done);
    assert_eq!(hand.claim_one().await?.fence.id, claim.fence.id);
    assert_eq!(left(&f, claim.fence.id).await?, None);
    Ok(())
}

pub(crate) async fn to_delete_a_task_removes_what_was_kept(f: Fixture) -> Result<()> {
    let (hand, claim) = kept(&f, b"half way").await?;
    hand.settle(&claim, Transition::Refund).await?;
    assert_eq!(act(&f, Action::Delete, claim.fence.id).await?, Acted::Done);
    assert_eq!(left(&f, claim.fence.id).await?, None);
    // The same id again is another task.
    let mut again = task();
    again.id = claim.fence.id;
    f.push(again).await?;
    assert_eq!(left(&f, claim.fence.id).await?, None);
    Ok(())
}

pub(crate) async fn upkeep_leaves_what_running_tasks_have_kept(f: Fixture) -> Result<()> {
    let (_, running) = kept(&f, b"running").await?;
    let (hand, ended) = kept(&f, b"ended").await?;
    hand.settle(&ended, Transition::Succeed(None)).await?;
    upkeep(&f).await?;
    assert_eq!(left(&f, running.fence.id).await?.as_deref(), Some(&b"running"[..]));
    assert_eq!(left(&f, ended.fence.id).await?, None);
    Ok(())
}

pub(crate) async fn more_than_the_limit_is_refused_and_what_was_kept_stays(f: Fixture) -> Result<()> {
    let (_, claim) = kept(&f, b"small").await?;
    let refused = f.store().checkpoint(claim.fence, Some(vec![7; MOST_CHECKPOINT_BYTES + 1])).await;
    assert!(refused.is_err_and(|error| error.is_snapshot_too_large()));
    assert_eq!(left(&f, claim.fence.id).await?.as_deref(), Some(&b"small"[..]));
    Ok(())
}

pub(crate) async fn a_ready_task_is_suspended_at_once(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    assert_eq!(act(&f, Action::Suspend, id).await?, Acted::Done);
    let record = f.record(id).await?;
    assert_eq!((record.state, record.hold), (TaskState::Held, Some(Hold::Suspended)));
    assert!(Hand::enlist(f.store()).await?.claim(1).await?.is_empty());
    Ok(())
}

pub(crate) async fn a_suspended_task_is_released_to_its_place(f: Fixture) -> Result<()> {
    let first = f.push(task()).await?;
    f.advance(Duration::from_secs(1));
    let second = f.push(task()).await?;
    act(&f, Action::Suspend, first).await?;
    assert_eq!(act(&f, Action::Release, first).await?, Acted::Done);
    let claims = Hand::enlist(f.store()).await?.claim(2).await?;
    assert_eq!(claims.iter().map(|claim| claim.fence.id).collect::<Vec<_>>(), [first, second]);
    Ok(())
}

pub(crate) async fn the_worker_of_a_running_task_is_asked(f: Fixture) -> Result<()> {
    let (_, claim) = kept(&f, b"").await?;
    let id = claim.fence.id;
    assert!(!wishes(&f, id).await?);
    assert_eq!(act(&f, Action::Suspend, id).await?, Acted::Asked);
    assert_eq!(act(&f, Action::Suspend, id).await?, Acted::Asked, "asking twice is asking once");
    assert!(wishes(&f, id).await?);
    assert_eq!(f.record(id).await?.state, TaskState::Running, "it goes on until its worker has heard");
    Ok(())
}

pub(crate) async fn a_wish_is_over_when_it_is_granted(f: Fixture) -> Result<()> {
    let (hand, claim) = kept(&f, b"half way").await?;
    let id = claim.fence.id;
    act(&f, Action::Suspend, id).await?;
    hand.settle(&claim, Transition::Hold { hold: Hold::Suspended, error: "by hand".into() }).await?;
    assert_eq!(act(&f, Action::Release, id).await?, Acted::Done);
    hand.claim_one().await?;
    assert!(!wishes(&f, id).await?);
    assert_eq!(left(&f, id).await?.as_deref(), Some(&b"half way"[..]));
    Ok(())
}

pub(crate) async fn a_wish_outlives_a_refund(f: Fixture) -> Result<()> {
    let (hand, claim) = kept(&f, b"").await?;
    act(&f, Action::Suspend, claim.fence.id).await?;
    hand.settle(&claim, Transition::Refund).await?;
    upkeep(&f).await?;
    hand.claim_one().await?;
    assert!(wishes(&f, claim.fence.id).await?);
    Ok(())
}

pub(crate) async fn a_wish_is_over_when_the_task_ends(f: Fixture) -> Result<()> {
    let (hand, claim) = kept(&f, b"").await?;
    let id = claim.fence.id;
    act(&f, Action::Suspend, id).await?;
    hand.settle(&claim, Transition::Fail { error: "why".into() }).await?;
    act(&f, Action::Retry, id).await?;
    hand.claim_one().await?;
    assert!(!wishes(&f, id).await?);
    Ok(())
}

pub(crate) async fn what_does_not_run_and_is_not_ready_cannot_be_suspended(f: Fixture) -> Result<()> {
    let mut scheduled = task();
    scheduled.due = delay::Due::In(Duration::from_secs(60));
    let scheduled = f.push(scheduled).await?;
    assert_eq!(act(&f, Action::Suspend, scheduled).await?, Acted::Wrong(TaskState::Scheduled));
    let held = f.push(task()).await?;
    act(&f, Action::Suspend, held).await?;
    assert_eq!(act(&f, Action::Suspend, held).await?, Acted::Wrong(TaskState::Held));
    f.push(task()).await?;
    let ended = Hand::enlist(f.store()).await?.finish_one().await?.fence.id;
    assert_eq!(act(&f, Action::Suspend, ended).await?, Acted::Wrong(TaskState::Succeeded));
    assert_eq!(act(&f, Action::Suspend, TaskId::new()).await?, Acted::Unknown);
    Ok(())
}
