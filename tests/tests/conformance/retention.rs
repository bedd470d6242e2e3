//! What time does to finished and to scheduled tasks: how long they are kept, and work in bounded pieces.

use std::time::Duration;

use delay::store::{Retention, UpkeepRules, Upkept};
use delay::{Due, Hold, Kept, Result, Task, TaskId, TaskState, Transition};
use delay_tests::{Fixture, Hand, task};

const MICRO: Duration = Duration::from_micros(1);
const HOUR: Duration = Duration::from_secs(3600);

async fn ended(f: &Fixture, end: Transition) -> Result<TaskId> {
    let id = f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    hand.settle(&claim, end).await?;
    f.store().retire(hand.id).await?;
    Ok(id)
}

async fn upkeep(f: &Fixture, batch: usize) -> Result<Upkept> {
    f.store().upkeep(UpkeepRules { batch, ..UpkeepRules::default() }).await
}

async fn is_kept(f: &Fixture, id: TaskId) -> Result<bool> {
    upkeep(f, 1000).await?;
    Ok(f.store().get(vec![id]).await?[0].is_some())
}

/// Whether a task is kept for exactly this time after it ended.
async fn is_kept_for(f: &Fixture, id: TaskId, length: Duration) -> Result<()> {
    f.advance(length - MICRO);
    assert!(is_kept(f, id).await?, "gone before {length:?}");
    f.advance(MICRO);
    assert!(!is_kept(f, id).await?, "there after {length:?}");
    Ok(())
}

fn kept(keep: Duration) -> Transition {
    Transition::Succeed(Some(Kept { value: vec![1], keep }))
}

pub(crate) async fn each_end_is_kept_for_its_own_time(f: Fixture) -> Result<()> {
    let Retention { succeeded, failed, cancelled, .. } = Fixture::RETENTION;
    let (error, reason) = (String::from("e"), String::from("r"));
    for (end, length) in [
        (Transition::Succeed(None), succeeded),
        (Transition::Fail { error }, failed),
        (Transition::Cancel { reason }, cancelled),
    ] {
        let id = ended(&f, end).await?;
        is_kept_for(&f, id, length).await?;
    }
    Ok(())
}

pub(crate) async fn a_task_cancelled_while_it_waits_is_kept_as_long_as_any_cancelled_one(
    f: Fixture,
) -> Result<()> {
    let id = f.push(task()).await?;
    f.store().act(delay::store::Action::Cancel, vec![id]).await?;
    is_kept_for(&f, id, Fixture::RETENTION.cancelled).await
}

pub(crate) async fn a_kept_value_outlives_the_time_of_succeeded_tasks(f: Fixture) -> Result<()> {
    let id = ended(&f, kept(7 * HOUR)).await?;
    is_kept_for(&f, id, 7 * HOUR).await
}

pub(crate) async fn a_value_kept_for_less_stays_as_long_as_its_task(f: Fixture) -> Result<()> {
    let id = ended(&f, kept(MICRO)).await?;
    is_kept_for(&f, id, Fixture::RETENTION.succeeded).await
}

pub(crate) async fn a_retention_of_zero_removes_at_once_but_not_a_kept_value(f: Fixture) -> Result<()> {
    let zero = Duration::ZERO;
    let f = f.keeping(Retention { succeeded: zero, failed: zero, cancelled: zero, tombstone: zero }).await?;
    let plain = ended(&f, Transition::Succeed(None)).await?;
    assert!(!is_kept(&f, plain).await?);
    let failed = ended(&f, Transition::Fail { error: "e".into() }).await?;
    assert!(!is_kept(&f, failed).await?);
    let valued = ended(&f, kept(HOUR)).await?;
    is_kept_for(&f, valued, HOUR).await
}

pub(crate) async fn what_is_kept_for_ever_is_never_removed(f: Fixture) -> Result<()> {
    let f = f.keeping(Retention { succeeded: Duration::MAX, ..Fixture::RETENTION }).await?;
    let id = ended(&f, Transition::Succeed(None)).await?;
    f.advance(1_000_000 * HOUR);
    assert!(is_kept(&f, id).await?);
    Ok(())
}

pub(crate) async fn nothing_that_is_pending_is_ever_removed(f: Fixture) -> Result<()> {
    let held = ended(&f, Transition::Hold { hold: Hold::Undecodable, error: "e".into() }).await?;
    let retried = ended(&f, Transition::Retry { wait: HOUR, error: "e".into() }).await?;
    let ready = f.push(task()).await?;
    f.advance(1_000_000 * HOUR);
    assert_eq!(upkeep(&f, 1000).await?.pruned, 0);
    for (id, state) in [(held, TaskState::Held), (retried, TaskState::Ready), (ready, TaskState::Ready)] {
        assert_eq!(f.record(id).await?.state, state);
    }
    Ok(())
}

pub(crate) async fn finished_tasks_are_removed_in_batches(f: Fixture) -> Result<()> {
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(ended(&f, Transition::Succeed(None)).await?);
        f.advance(MICRO);
    }
    f.advance(Fixture::RETENTION.succeeded);
    let mut story = Vec::new();
    for _ in 0..3 {
        let Upkept { pruned, more, .. } = upkeep(&f, 3).await?;
        let left = f.store().get(ids.clone()).await?.iter().filter(|record| record.is_some()).count();
        story.push((pruned, more, left));
    }
    assert_eq!(story, [(3, true, 4), (3, true, 1), (1, false, 0)]);
    Ok(())
}

pub(crate) async fn due_tasks_become_ready_in_batches(f: Fixture) -> Result<()> {
    f.store().push((0..5).map(|_| Task { due: Due::In(HOUR), ..task() }).collect()).await?;
    let early = f.push(Task { due: Due::In(HOUR / 2), ..task() }).await?;
    f.advance(HOUR);
    let first = upkeep(&f, 2).await?;
    assert_eq!((first.promoted, first.more), (2, true));
    assert_eq!(f.record(early).await?.state, TaskState::Ready, "the one that was due first");
    let second = upkeep(&f, 100).await?;
    assert_eq!((second.promoted, second.more), (4, false));
    Ok(())
}

pub(crate) async fn upkeep_without_anything_to_do_says_so(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    ended(&f, Transition::Succeed(None)).await?;
    assert_eq!(upkeep(&f, 1).await?, Upkept::default());
    Ok(())
}
