//! Names: who has one, for how long, and who gets it next.

use std::time::Duration;

use delay::store::{Acted, Action, Pushed, Retention, UpkeepRules};
use delay::{Due, Hold, Kept, Result, Task, TaskId, TaskState, Transition};
use delay_tests::{Fixture, Hand, LEASE, task};

const TOMBSTONE: Duration = Fixture::RETENTION.tombstone;
const MICRO: Duration = Duration::from_micros(1);

fn named() -> Task {
    Task { name: Some("n".into()), ..task() }
}

/// Adds another task of the name.
async fn next(f: &Fixture) -> Result<Pushed> {
    Ok(f.store().push(vec![named()]).await?.pop().expect("an answer"))
}

async fn act(f: &Fixture, action: Action, id: TaskId) -> Result<Acted> {
    Ok(f.store().act(action, vec![id]).await?.pop().expect("an answer"))
}

async fn settle(f: &Fixture, transition: Transition) -> Result<()> {
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    hand.settle(&claim, transition).await.map(drop)
}

pub(crate) async fn a_name_is_taken_while_its_task_is_pending(f: Fixture) -> Result<()> {
    let holder = f.push(named()).await?;
    assert_eq!(next(&f).await?, Pushed::NameTaken(holder));
    Hand::enlist(f.store()).await?.claim_one().await?;
    f.advance(1000 * TOMBSTONE);
    assert_eq!(next(&f).await?, Pushed::NameTaken(holder));
    assert_eq!(f.second().await?.push(vec![named()]).await?, [Pushed::NameTaken(holder)]);
    Ok(())
}

pub(crate) async fn a_task_whose_name_was_taken_is_not_there(f: Fixture) -> Result<()> {
    f.push(named()).await?;
    let late = named();
    f.push(late.clone()).await?;
    assert_eq!(f.store().get(vec![late.id]).await?, [None]);
    Ok(())
}

pub(crate) async fn a_scheduled_task_has_its_name_already(f: Fixture) -> Result<()> {
    let holder = f.push(Task { due: Due::In(LEASE), ..named() }).await?;
    assert_eq!(next(&f).await?, Pushed::NameTaken(holder));
    Ok(())
}

pub(crate) async fn a_name_stays_taken_for_the_tombstone_time_after_each_end(f: Fixture) -> Result<()> {
    let ends = [
        Transition::Succeed(None),
        Transition::Fail { error: "e".into() },
        Transition::Cancel { reason: "r".into() },
    ];
    for end in ends {
        let holder = f.push(named()).await?;
        settle(&f, end).await?;
        f.advance(TOMBSTONE - MICRO);
        assert_eq!(next(&f).await?, Pushed::NameTaken(holder));
        f.advance(MICRO);
        assert_eq!(next(&f).await?, Pushed::Added);
        settle(&f, Transition::Succeed(None)).await?;
        f.advance(2 * TOMBSTONE);
    }
    Ok(())
}

pub(crate) async fn a_name_stays_taken_as_long_as_the_result_is_kept(f: Fixture) -> Result<()> {
    let holder = f.push(named()).await?;
    let keep = 3 * Fixture::RETENTION.succeeded;
    settle(&f, Transition::Succeed(Some(Kept { value: vec![1], keep }))).await?;
    f.advance(keep - MICRO);
    assert_eq!(next(&f).await?, Pushed::NameTaken(holder));
    f.advance(MICRO);
    assert_eq!(next(&f).await?, Pushed::Added);
    settle(&f, Transition::Succeed(None)).await?;
    f.advance(TOMBSTONE);
    assert_eq!(next(&f).await?, Pushed::Added);
    Ok(())
}

pub(crate) async fn a_task_cancelled_while_it_waits_leaves_a_tombstone_too(f: Fixture) -> Result<()> {
    let holder = f.push(named()).await?;
    act(&f, Action::Cancel, holder).await?;
    assert_eq!(next(&f).await?, Pushed::NameTaken(holder));
    f.advance(TOMBSTONE);
    assert_eq!(next(&f).await?, Pushed::Added);
    Ok(())
}

pub(crate) async fn a_task_cancelled_on_its_way_back_leaves_a_tombstone_too(f: Fixture) -> Result<()> {
    let holder = f.push(named()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    act(&f, Action::Cancel, holder).await?;
    hand.settle(&claim, Transition::Refund).await?;
    assert_eq!(f.record(holder).await?.state, TaskState::Cancelled);
    assert_eq!(next(&f).await?, Pushed::NameTaken(holder));
    f.advance(TOMBSTONE);
    assert_eq!(next(&f).await?, Pushed::Added);
    Ok(())
}

pub(crate) async fn a_task_that_is_to_run_again_keeps_its_name(f: Fixture) -> Result<()> {
    let holder = f.push(named()).await?;
    let again = [
        Transition::Retry { wait: Duration::ZERO, error: "e".into() },
        Transition::Snooze { wait: Duration::ZERO },
        Transition::Refund,
        Transition::Hold { hold: Hold::Undecodable, error: "e".into() },
    ];
    for transition in again {
        settle(&f, transition).await?;
        f.advance(2 * TOMBSTONE);
        f.store().upkeep(UpkeepRules::default()).await?;
        assert_eq!(next(&f).await?, Pushed::NameTaken(holder));
    }
    Ok(())
}

pub(crate) async fn a_rescued_task_keeps_its_name(f: Fixture) -> Result<()> {
    let holder = f.push(named()).await?;
    Hand::enlist(f.store()).await?.claim_one().await?;
    f.advance(2 * TOMBSTONE);
    f.store().upkeep(UpkeepRules::default()).await?;
    assert_eq!(next(&f).await?, Pushed::NameTaken(holder));
    Ok(())
}

pub(crate) async fn each_queue_has_names_of_its_own(f: Fixture) -> Result<()> {
    f.push(named()).await?;
    let elsewhere = Task { queue: "other".into(), ..named() };
    assert_eq!(f.store().push(vec![elsewhere]).await?, [Pushed::Added]);
    Ok(())
}

pub(crate) async fn names_differ_by_case(f: Fixture) -> Result<()> {
    f.push(named()).await?;
    let upper = Task { name: Some("N".into()), ..task() };
    assert_eq!(f.store().push(vec![upper]).await?, [Pushed::Added]);
    Ok(())
}

pub(crate) async fn of_two_tasks_of_one_batch_with_one_name_the_first_has_it(f: Fixture) -> Result<()> {
    let (first, second) = (named(), named());
    let holder = first.id;
    let pushed = f.store().push(vec![first, second]).await?;
    assert_eq!(pushed, [Pushed::Added, Pushed::NameTaken(holder)]);
    Ok(())
}

pub(crate) async fn of_callers_at_once_one_gets_the_name(f: Fixture) -> Result<()> {
    let second = f.second().await?;
    let stores = [f.store(), &second];
    let callers = (0..32).map(|i| {
        let store = std::sync::Arc::clone(stores[i % 2]);
        tokio::spawn(async move { store.push(vec![named()]).await })
    });
    let mut added = 0;
    for caller in callers.collect::<Vec<_>>() {
        let pushed = caller.await.expect("the caller does not panic")?;
        added += usize::from(pushed == [Pushed::Added]);
    }
    assert_eq!(added, 1);
    assert_eq!(f.store().counts().await?[0].tasks, 1);
    Ok(())
}

pub(crate) async fn a_tombstone_outlives_its_task(f: Fixture) -> Result<()> {
    let f = f.keeping(Retention { succeeded: Duration::ZERO, ..Fixture::RETENTION }).await?;
    let holder = f.push(named()).await?;
    settle(&f, Transition::Succeed(None)).await?;
    f.advance(MICRO);
    f.store().upkeep(UpkeepRules::default()).await?;
    assert_eq!(f.store().get(vec![holder]).await?, [None]);
    assert_eq!(next(&f).await?, Pushed::NameTaken(holder));
    f.advance(TOMBSTONE);
    assert_eq!(next(&f).await?, Pushed::Added);
    Ok(())
}

pub(crate) async fn a_name_that_was_free_again_is_taken_by_the_next(f: Fixture) -> Result<()> {
    f.push(named()).await?;
    settle(&f, Transition::Succeed(None)).await?;
    f.advance(TOMBSTONE);
    let second = f.push(named()).await?;
    f.advance(10 * TOMBSTONE);
    f.store().upkeep(UpkeepRules::default()).await?;
    assert_eq!(next(&f).await?, Pushed::NameTaken(second));
    Ok(())
}

pub(crate) async fn to_delete_a_task_frees_its_name(f: Fixture) -> Result<()> {
    let waiting = f.push(named()).await?;
    assert_eq!(act(&f, Action::Delete, waiting).await?, Acted::Done);
    let finished = f.push(named()).await?;
    settle(&f, Transition::Succeed(None)).await?;
    assert_eq!(act(&f, Action::Delete, finished).await?, Acted::Done);
    assert_eq!(next(&f).await?, Pushed::Added);
    Ok(())
}

pub(crate) async fn to_delete_a_former_holder_leaves_the_name_with_the_new_one(f: Fixture) -> Result<()> {
    let former = f.push(named()).await?;
    settle(&f, Transition::Succeed(None)).await?;
    f.advance(TOMBSTONE);
    let holder = f.push(named()).await?;
    assert_eq!(act(&f, Action::Delete, former).await?, Acted::Done);
    assert_eq!(next(&f).await?, Pushed::NameTaken(holder));
    Ok(())
}

pub(crate) async fn to_retry_a_task_takes_its_name_again(f: Fixture) -> Result<()> {
    let id = f.push(named()).await?;
    settle(&f, Transition::Fail { error: "e".into() }).await?;
    f.advance(TOMBSTONE / 2);
    assert_eq!(act(&f, Action::Retry, id).await?, Acted::Done);
    f.advance(2 * TOMBSTONE);
    f.store().upkeep(UpkeepRules::default()).await?;
    assert_eq!(next(&f).await?, Pushed::NameTaken(id));
    Ok(())
}

pub(crate) async fn to_retry_a_task_takes_its_name_again_even_after_the_tombstone(f: Fixture) -> Result<()> {
    let id = f.push(named()).await?;
    settle(&f, Transition::Fail { error: "e".into() }).await?;
    f.advance(2 * TOMBSTONE);
    f.store().upkeep(UpkeepRules::default()).await?;
    assert_eq!(act(&f, Action::Retry, id).await?, Acted::Done);
    assert_eq!(next(&f).await?, Pushed::NameTaken(id));
    Ok(())
}

pub(crate) async fn to_retry_a_task_leaves_its_name_with_another_that_has_it(f: Fixture) -> Result<()> {
    let former = f.push(named()).await?;
    settle(&f, Transition::Fail { error: "e".into() }).await?;
    f.advance(TOMBSTONE);
    let holder = f.push(named()).await?;
    assert_eq!(act(&f, Action::Retry, former).await?, Acted::Done);
    assert_eq!(next(&f).await?, Pushed::NameTaken(holder));
    let hand = Hand::enlist(f.store()).await?;
    let claims = hand.claim(2).await?;
    let claim = claims.iter().find(|claim| claim.fence.id == former).expect("both run");
    hand.settle(claim, Transition::Succeed(None)).await?;
    f.advance(2 * TOMBSTONE);
    f.store()
        .upkeep(UpkeepRules { rescue: delay::store::Rescue::AfterTheNextBeats, ..Default::default() })
        .await?;
    assert_eq!(next(&f).await?, Pushed::NameTaken(holder), "the end of the former holder frees nothing");
    Ok(())
}
