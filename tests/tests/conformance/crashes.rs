//! What counts as a crash, and what becomes of tasks under which processes keep dying.

use std::time::Duration;

use delay::store::{Acted, Action, Claim, UpkeepRules, Upkept};
use delay::{Hold, Result, TaskState, Transition};
use delay_tests::{Fixture, Hand, LEASE, task};

/// Whether the process dies before it has begun with its tasks or after.
#[derive(Clone, Copy)]
enum Dies {
    Before,
    After,
}

/// A process claims everything and dies.
async fn death(f: &Fixture, dies: Dies) -> Result<Vec<Claim>> {
    let claims = Hand::enlist(f.store()).await?.claim(100).await?;
    if let Dies::After = dies {
        f.store().start(claims.iter().map(|claim| claim.fence).collect()).await?;
    }
    f.advance(2 * LEASE);
    upkeep(f, u32::MAX).await?;
    Ok(claims)
}

async fn upkeep(f: &Fixture, max_crashes: u32) -> Result<Upkept> {
    f.store().upkeep(UpkeepRules { max_crashes, ..UpkeepRules::default() }).await
}

pub(crate) async fn the_first_crash_counts_for_all_that_was_claimed(f: Fixture) -> Result<()> {
    f.store().push((0..5).map(|_| task()).collect()).await?;
    for claim in death(&f, Dies::Before).await? {
        assert_eq!(f.record(claim.fence.id).await?.crashes, 1);
    }
    Ok(())
}

pub(crate) async fn later_crashes_count_for_what_had_begun_alone(f: Fixture) -> Result<()> {
    let (begun, not_begun) = (f.push(task()).await?, f.push(task()).await?);
    death(&f, Dies::Before).await?;
    let claims = Hand::enlist(f.store()).await?.claim(2).await?;
    let fence = claims.iter().map(|claim| claim.fence).find(|fence| fence.id == begun);
    f.store().start(fence.into_iter().collect()).await?;
    f.advance(2 * LEASE);
    upkeep(&f, u32::MAX).await?;
    assert_eq!(f.record(begun).await?.crashes, 2);
    assert_eq!(f.record(not_begun).await?.crashes, 1);
    Ok(())
}

pub(crate) async fn claims_tell_how_often_processes_died_under_the_task(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(death(&f, Dies::After).await?[0].crashes);
    }
    assert_eq!(told, [0, 1, 2, 3]);
    Ok(())
}

pub(crate) async fn a_crash_spends_no_attempt(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    for _ in 0..3 {
        assert_eq!(death(&f, Dies::After).await?[0].attempt, 1);
    }
    let record = f.record(id).await?;
    assert_eq!((record.attempt, record.crashes, record.epoch), (0, 3, 3));
    Ok(())
}

pub(crate) async fn a_start_counts_for_its_own_attempt_only(f: Fixture) -> Result<()> {
    let ways_back = [
        Transition::Refund,
        Transition::Retry { wait: Duration::ZERO, error: "e".into() },
        Transition::Snooze { wait: Duration::ZERO },
    ];
    for way_back in ways_back {
        let id = f.push(task()).await?;
        death(&f, Dies::Before).await?;
        let hand = Hand::enlist(f.store()).await?;
        let claim = hand.claim_one().await?;
        f.store().start(vec![claim.fence]).await?;
        hand.settle(&claim, way_back).await?;
        death(&f, Dies::Before).await?;
        assert_eq!(f.record(id).await?.crashes, 1);
        f.store().act(Action::Delete, vec![id]).await?;
    }
    Ok(())
}

pub(crate) async fn to_retire_is_no_crash(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    f.store().start(vec![claim.fence]).await?;
    f.store().retire(hand.id).await?;
    assert_eq!(f.record(id).await?.crashes, 0);
    death(&f, Dies::Before).await?;
    assert_eq!(f.record(id).await?.crashes, 1);
    Ok(())
}

pub(crate) async fn a_task_is_held_after_the_last_crash_that_is_allowed(f: Fixture) -> Result<()> {
    let (poison, bystander) = (f.push(task()).await?, f.push(task()).await?);
    for crash in 1..=3 {
        let claims = Hand::enlist(f.store()).await?.claim(2).await?;
        let fence = claims.iter().map(|claim| claim.fence).find(|fence| fence.id == poison);
        f.store().start(fence.into_iter().collect()).await?;
        f.advance(2 * LEASE);
        let upkept = upkeep(&f, 3).await?;
        assert_eq!((upkept.rescued, upkept.quarantined), (2, u64::from(crash == 3)));
    }
    let record = f.record(poison).await?;
    assert_eq!((record.state, record.hold, record.crashes), (TaskState::Held, Some(Hold::Crashes), 3));
    assert!(record.error.is_some_and(|error| error.contains("3 processes died")));
    assert_eq!((record.payload, record.worker), (b"payload".to_vec(), None));
    let claims = Hand::enlist(f.store()).await?.claim(10).await?;
    assert_eq!(claims.iter().map(|claim| claim.fence.id).collect::<Vec<_>>(), [bystander]);
    Ok(())
}

pub(crate) async fn with_one_crash_allowed_the_first_holds(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    Hand::enlist(f.store()).await?.claim_one().await?;
    f.advance(2 * LEASE);
    assert_eq!(upkeep(&f, 1).await?.quarantined, 1);
    assert_eq!(f.record(id).await?.state, TaskState::Held);
    Ok(())
}

pub(crate) async fn an_operators_retry_releases_a_held_task_counted_anew(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    Hand::enlist(f.store()).await?.claim_one().await?;
    f.advance(2 * LEASE);
    upkeep(&f, 1).await?;
    assert_eq!(f.store().act(Action::Retry, vec![id]).await?, [Acted::Done]);
    let record = f.record(id).await?;
    assert_eq!((record.state, record.hold, record.crashes), (TaskState::Ready, None, 0));
    let claim = Hand::enlist(f.store()).await?.claim_one().await?;
    assert_eq!((claim.attempt, claim.crashes, claim.fence.epoch), (1, 0, 2));
    Ok(())
}
