//! Workers come, beat, fall silent and go; what they held goes to others, and what they write late is refused.

use std::time::Duration;

use delay::store::{Enlist, Queues, Rescue, Settled, Settlement, Turn, UpkeepRules, WorkerId};
use delay::{Result, Task, TaskState, Transition};
use delay_tests::{Fixture, Hand, LEASE, task};

const MICRO: Duration = Duration::from_micros(1);

async fn rescued(f: &Fixture) -> Result<u64> {
    Ok(f.store().upkeep(UpkeepRules::default()).await?.rescued)
}

fn success(claim: &delay::store::Claim) -> Settlement {
    Settlement { fence: claim.fence, transition: Transition::Succeed(None) }
}

pub(crate) async fn a_turn_of_an_unknown_worker_is_refused_and_nothing_is_written(f: Fixture) -> Result<()> {
    f.store().push(vec![task(), task()]).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    for worker in [WorkerId(hand.id.0 + 1), WorkerId(0), WorkerId(-1)] {
        let turn = Turn { worker, settle: vec![success(&claim)], want: 5, queues: Queues::All };
        assert!(f.store().turn(turn).await.is_err_and(|error| error.is_stale_lease()));
    }
    assert_eq!(f.record(claim.fence.id).await?.state, TaskState::Running);
    assert_eq!(hand.claim(5).await?.len(), 1, "the other task is still there to be claimed");
    Ok(())
}

pub(crate) async fn a_beat_of_an_unknown_worker_is_refused(f: Fixture) -> Result<()> {
    assert!(f.store().beat(WorkerId(7)).await.is_err_and(|error| error.is_stale_lease()));
    assert_eq!(f.store().workers().await?, []);
    Ok(())
}

pub(crate) async fn a_living_workers_tasks_are_left_alone(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    f.advance(LEASE - MICRO);
    assert_eq!(rescued(&f).await?, 0);
    assert_eq!(f.record(id).await?.state, TaskState::Running);
    assert_eq!(hand.settle(&claim, Transition::Succeed(None)).await?, Settled::Applied);
    Ok(())
}

pub(crate) async fn a_silent_workers_tasks_are_taken_back_after_the_lease(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    Hand::enlist(f.store()).await?.claim_one().await?;
    f.advance(LEASE + MICRO);
    assert_eq!(rescued(&f).await?, 1);
    let record = f.record(id).await?;
    assert_eq!((record.state, record.worker), (TaskState::Ready, None));
    assert_eq!((record.attempt, record.epoch, record.crashes), (0, 1, 1));
    assert_eq!(f.store().workers().await?, []);
    Ok(())
}

pub(crate) async fn a_rescued_task_is_claimed_under_a_higher_epoch(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    Hand::enlist(f.store()).await?.claim_one().await?;
    f.advance(LEASE + MICRO);
    rescued(&f).await?;
    let claim = Hand::enlist(&f.second().await?).await?.claim_one().await?;
    assert_eq!((claim.attempt, claim.fence.epoch, claim.crashes), (1, 2, 1));
    Ok(())
}

pub(crate) async fn a_rescued_task_keeps_its_place_in_the_queue(f: Fixture) -> Result<()> {
    let first = f.push(task()).await?;
    Hand::enlist(f.store()).await?.claim_one().await?;
    f.advance(LEASE + MICRO);
    f.push(task()).await?;
    rescued(&f).await?;
    assert_eq!(Hand::enlist(f.store()).await?.claim_one().await?.fence.id, first);
    Ok(())
}

pub(crate) async fn only_the_silent_workers_tasks_are_taken_back(f: Fixture) -> Result<()> {
    f.store().push((0..4).map(|_| task()).collect()).await?;
    let (silent, living) = (Hand::enlist(f.store()).await?, Hand::enlist(f.store()).await?);
    silent.claim(2).await?;
    let kept = living.claim(2).await?;
    f.advance(LEASE - MICRO);
    f.store().beat(living.id).await?;
    f.advance(2 * MICRO);
    assert_eq!(rescued(&f).await?, 2);
    for claim in kept {
        assert_eq!(f.record(claim.fence.id).await?.worker, Some(living.id));
    }
    Ok(())
}

pub(crate) async fn one_beat_renews_the_lease_on_all_that_a_worker_holds(f: Fixture) -> Result<()> {
    f.store().push((0..10).map(|_| task()).collect()).await?;
    let hand = Hand::enlist(f.store()).await?;
    hand.claim(10).await?;
    for _ in 0..5 {
        f.advance(LEASE);
        f.store().beat(hand.id).await?;
        assert_eq!(rescued(&f).await?, 0);
    }
    Ok(())
}

pub(crate) async fn after_a_clock_jump_nothing_is_taken_back_until_workers_have_beaten(
    f: Fixture,
) -> Result<()> {
    f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    f.advance(1000 * LEASE);
    let rules = UpkeepRules { rescue: Rescue::AfterTheNextBeats, ..UpkeepRules::default() };
    assert_eq!(f.store().upkeep(rules).await?.rescued, 0);
    f.store().beat(hand.id).await?;
    assert_eq!(rescued(&f).await?, 0);
    assert_eq!(hand.settle(&claim, Transition::Succeed(None)).await?, Settled::Applied);
    Ok(())
}

pub(crate) async fn a_lease_that_ran_out_still_counts_until_the_tasks_were_taken_back(
    f: Fixture,
) -> Result<()> {
    f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    f.advance(10 * LEASE);
    assert_eq!(hand.settle(&claim, Transition::Succeed(None)).await?, Settled::Applied);
    Ok(())
}

pub(crate) async fn after_a_rescue_every_verb_refuses_the_old_worker(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let old = Hand::enlist(f.store()).await?;
    let claim = old.claim_one().await?;
    f.advance(LEASE + MICRO);
    rescued(&f).await?;
    let before = f.record(id).await?;
    assert!(old.settle(&claim, Transition::Succeed(None)).await.is_err_and(|error| error.is_stale_lease()));
    assert!(old.claim(1).await.is_err_and(|error| error.is_stale_lease()));
    assert!(f.store().beat(old.id).await.is_err_and(|error| error.is_stale_lease()));
    assert_eq!(f.store().start(vec![claim.fence]).await?, [Settled::Stale]);
    f.store().retire(old.id).await?;
    assert_eq!(f.record(id).await?, before);
    Ok(())
}

pub(crate) async fn the_old_fence_is_refused_from_any_worker_and_the_newer_outcome_stands(
    f: Fixture,
) -> Result<()> {
    let id = f.push(Task { name: Some("n".into()), ..task() }).await?;
    let old = Hand::enlist(f.store()).await?.claim_one().await?;
    f.advance(LEASE + MICRO);
    rescued(&f).await?;
    let new = Hand::enlist(f.store()).await?;
    let claim = new.claim_one().await?;
    let everything = [
        Transition::Succeed(None),
        Transition::Fail { error: "late".into() },
        Transition::Cancel { reason: "late".into() },
        Transition::Retry { wait: Duration::ZERO, error: "late".into() },
        Transition::Snooze { wait: LEASE },
        Transition::Refund,
        Transition::Hold { hold: delay::Hold::Undecodable, error: "late".into() },
    ];
    let running = f.record(id).await?;
    for transition in everything.clone() {
        assert_eq!(new.settle(&old, transition).await?, Settled::Stale);
        assert_eq!(f.record(id).await?, running);
    }
    assert_eq!(f.store().start(vec![old.fence, claim.fence]).await?, [Settled::Stale, Settled::Applied]);
    assert_eq!(new.settle(&claim, Transition::Fail { error: "newer".into() }).await?, Settled::Applied);
    let ended = f.record(id).await?;
    for transition in everything {
        assert_eq!(new.settle(&old, transition).await?, Settled::Stale);
    }
    assert_eq!(f.record(id).await?, ended);
    Ok(())
}

pub(crate) async fn a_worker_that_retires_gives_back_what_it_holds(f: Fixture) -> Result<()> {
    f.store().push(vec![task(), task()]).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claims = hand.claim(2).await?;
    hand.settle(&claims[0], Transition::Succeed(None)).await?;
    f.store().retire(hand.id).await?;
    let record = f.record(claims[1].fence.id).await?;
    assert_eq!((record.state, record.worker), (TaskState::Ready, None));
    assert_eq!((record.attempt, record.epoch, record.crashes), (0, 1, 0));
    assert_eq!(f.record(claims[0].fence.id).await?.state, TaskState::Succeeded);
    assert_eq!(f.store().workers().await?, []);
    Ok(())
}

pub(crate) async fn after_it_retired_a_worker_is_unknown(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    f.store().retire(hand.id).await?;
    assert!(hand.claim(1).await.is_err_and(|error| error.is_stale_lease()));
    assert!(f.store().beat(hand.id).await.is_err_and(|error| error.is_stale_lease()));
    assert_eq!(f.store().start(vec![claim.fence]).await?, [Settled::Stale]);
    f.store().retire(hand.id).await?;
    Ok(())
}

pub(crate) async fn a_workers_number_is_never_used_again(f: Fixture) -> Result<()> {
    let first = Hand::enlist(f.store()).await?.id;
    f.store().retire(first).await?;
    let second = Hand::enlist(f.store()).await?.id;
    f.advance(2 * LEASE);
    rescued(&f).await?;
    let third = Hand::enlist(&f.second().await?).await?.id;
    assert!(first < second && second < third, "{first:?} {second:?} {third:?}");
    Ok(())
}

pub(crate) async fn workers_are_listed_as_they_enlisted(f: Fixture) -> Result<()> {
    let enlisted = f.now();
    let functions = vec!["a/src/lib.rs:one".to_owned(), "global:two".to_owned()];
    let enlist = Enlist { name: "host/1".into(), lease: LEASE, functions: functions.clone() };
    let id = f.store().enlist(enlist).await?;
    f.advance(LEASE / 2);
    f.store().beat(id).await?;
    let enlist = Enlist { name: "host/2".into(), lease: 2 * LEASE, functions: Vec::new() };
    f.store().enlist(enlist).await?;
    let workers = f.second().await?.workers().await?;
    assert_eq!(workers.len(), 2);
    assert_eq!((workers[0].id, workers[0].name.as_str()), (id, "host/1"));
    assert_eq!((workers[0].enlisted, workers[0].lease_until), (enlisted, f.now().after(LEASE)));
    assert_eq!(workers[0].functions, functions);
    assert_eq!((workers[1].name.as_str(), workers[1].lease_until), ("host/2", f.now().after(2 * LEASE)));
    assert_eq!(workers[1].functions, Vec::<String>::new());
    Ok(())
}

pub(crate) async fn a_worker_whose_lease_ran_out_is_not_listed(f: Fixture) -> Result<()> {
    Hand::enlist(f.store()).await?;
    f.advance(LEASE + MICRO);
    assert_eq!(f.store().workers().await?, []);
    Ok(())
}

pub(crate) async fn a_lease_without_end_can_be_renewed(f: Fixture) -> Result<()> {
    let enlist = Enlist { name: "n".into(), lease: Duration::MAX, functions: Vec::new() };
    let worker = f.store().enlist(enlist).await?;
    f.store().beat(worker).await?;
    f.advance(1000 * LEASE);
    f.store().beat(worker).await?;
    rescued(&f).await?;
    assert_eq!(f.store().workers().await?.len(), 1);
    Ok(())
}
