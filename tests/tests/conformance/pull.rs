//! Queues that are pulled from: who gets which task, for how long, and what becomes of it.

use std::time::Duration;

use delay::queues::{Mode, QueueConfig};
use delay::store::{
    Acted, Action, Forgotten, LeaseEnd, LeaseEnded, LeaseOrder, LeaseTo, Pushed, QueueEdit, Resume, Tagged,
    TaskRecord, UpkeepRules,
};
use delay::{Due, Result, Retry, Task, TaskId, TaskState};
use delay_tests::{Fixture, Hand, LEASE, task};

const SECOND: Duration = Duration::from_secs(1);
const MICRO: Duration = Duration::from_micros(1);

/// The queue `q` is for pulling.
async fn pull(f: &Fixture, change: impl FnOnce(&mut QueueConfig)) -> Result<()> {
    let mut config = QueueConfig::new("q")?;
    config.mode = Mode::Pull;
    change(&mut config);
    let edit = QueueEdit::Apply { queues: vec![config], resume: Resume::ByOperator };
    f.store().configure(edit).await.map(drop)
}

fn order(most: usize, tag: Tagged) -> LeaseOrder {
    LeaseOrder { queue: "q".to_owned(), most, length: LEASE, tag }
}

async fn lease(f: &Fixture, most: usize) -> Result<Vec<TaskRecord>> {
    f.store().lease(order(most, Tagged::Any)).await
}

async fn lease_one(f: &Fixture) -> Result<TaskRecord> {
    Ok(lease(f, 1).await?.pop().expect("a task is due"))
}

async fn end(f: &Fixture, leased: &TaskRecord, to: LeaseTo) -> Result<LeaseEnded> {
    let end = LeaseEnd { id: leased.id, epoch: leased.epoch, to };
    Ok(f.store().settle_leases("q".to_owned(), vec![end]).await?.pop().expect("an answer"))
}

fn ids(leased: &[TaskRecord]) -> Vec<TaskId> {
    leased.iter().map(|task| task.id).collect()
}

fn names(leased: &[TaskRecord]) -> Vec<&str> {
    leased.iter().map(|task| task.name.as_deref().unwrap_or("-")).collect()
}

fn named(name: &str) -> Task {
    Task { name: Some(name.to_owned()), ..task() }
}

async fn forget(f: &Fixture, name: &str) -> Result<Forgotten> {
    Ok(f.store().forget("q".to_owned(), vec![name.to_owned()]).await?.pop().expect("an answer"))
}

pub(crate) async fn a_lease_hands_out_whole_tasks_and_moves_their_eta(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    let id = f.push(Task { tag: Some("t".into()), payload: vec![0, 9], ..named("n") }).await?;
    let leased = lease_one(&f).await?;
    assert_eq!((leased.id, leased.name.as_deref(), leased.tag.as_deref()), (id, Some("n"), Some("t")));
    assert_eq!((leased.payload.as_slice(), leased.attempt, leased.epoch), (&[0, 9][..], 1, 1));
    assert_eq!(leased.eta, f.now().after(LEASE));
    assert_eq!(f.record(id).await?, leased, "what is handed out is what is kept");
    Ok(())
}

pub(crate) async fn a_leased_task_is_nobody_elses_until_the_lease_runs_out(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    f.push(task()).await?;
    let first = lease_one(&f).await?;
    f.advance(LEASE - MICRO);
    assert_eq!(f.second().await?.lease(order(1, Tagged::Any)).await?, []);
    f.advance(MICRO);
    let again = lease_one(&f).await?;
    assert_eq!((again.id, again.attempt, again.epoch), (first.id, 2, 2), "each lease counts a retry");
    Ok(())
}

pub(crate) async fn the_order_is_by_eta_and_then_by_name(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    let now = f.now();
    f.advance(10 * SECOND);
    let at = |name: &str, seconds: u32| Task { due: Due::At(now.after(seconds * SECOND)), ..named(name) };
    f.push(Task { priority: -5, ..at("late", 12) }).await?;
    f.store().push(vec![named("b"), named("c"), named("a")]).await?;
    f.advance(5 * SECOND);
    f.push(Task { priority: -9, ..named("latest") }).await?;
    assert_eq!(names(&lease(&f, 2).await?), ["a", "b"]);
    assert_eq!(names(&lease(&f, 9).await?), ["c", "late", "latest"], "whatever their priority");
    Ok(())
}

pub(crate) async fn a_task_without_a_name_goes_by_its_id(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    let (one, two) = (task(), task());
    let expected = [one.id, two.id];
    f.store().push(vec![two, named("zz"), one]).await?;
    let leased = lease(&f, 3).await?;
    assert_eq!(ids(&leased)[..2], expected);
    assert_eq!(names(&leased), ["-", "-", "zz"]);
    Ok(())
}

pub(crate) async fn what_is_not_due_is_not_leased(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    f.push(Task { due: Due::In(SECOND), ..task() }).await?;
    assert_eq!(lease(&f, 1).await?, []);
    f.advance(SECOND);
    assert_eq!(lease(&f, 1).await?.len(), 1);
    Ok(())
}

pub(crate) async fn a_lease_by_tag_hands_out_the_tasks_of_that_tag_alone(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    let tagged = |name: &str, tag: Option<&str>| Task { tag: tag.map(str::to_owned), ..named(name) };
    let tasks =
        vec![tagged("a", Some("x")), tagged("b", Some("y")), tagged("c", None), tagged("d", Some("y"))];
    f.store().push(tasks).await?;
    let with = f.store().lease(order(9, Tagged::With("y".into()))).await?;
    assert_eq!(names(&with), ["b", "d"]);
    assert_eq!(f.store().lease(order(9, Tagged::With("none".into()))).await?, []);
    Ok(())
}

pub(crate) async fn an_empty_tag_means_that_of_the_earliest_task(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    let tagged = |name: &str, tag: Option<&str>| Task { tag: tag.map(str::to_owned), ..named(name) };
    f.store().push(vec![tagged("a", Some("x")), tagged("b", Some("y"))]).await?;
    f.advance(SECOND);
    f.store()
        .push(vec![tagged("0", Some("y")), tagged("1", None), tagged("2", Some("x")), tagged("3", None)])
        .await?;
    let like = || f.store().lease(order(9, Tagged::LikeTheEarliest));
    assert_eq!(names(&like().await?), ["a", "2"]);
    assert_eq!(names(&like().await?), ["b", "0"]);
    assert_eq!(names(&like().await?), ["1", "3"], "those without a tag are alike, too");
    assert_eq!(like().await?, []);
    Ok(())
}

pub(crate) async fn two_consumers_at_once_get_different_tasks(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    f.store().push((0..100).map(|_| task()).collect()).await?;
    let second = f.second().await?;
    let stores = [f.store(), &second];
    let leases = (0..20).map(|i| {
        let store = std::sync::Arc::clone(stores[i % 2]);
        tokio::spawn(async move { store.lease(order(10, Tagged::Any)).await })
    });
    let mut leased = Vec::new();
    for lease in leases.collect::<Vec<_>>() {
        leased.extend(ids(&lease.await.expect("the consumer does not panic")?));
    }
    // Consumers at once may step over what others look at; what is left is there for the next.
    leased.extend(ids(&lease(&f, 100).await?));
    leased.sort_unstable();
    leased.dedup();
    assert_eq!(leased.len(), 100);
    Ok(())
}

pub(crate) async fn a_lease_can_be_made_longer_or_shorter(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    f.push(task()).await?;
    let leased = lease_one(&f).await?;
    f.advance(LEASE - MICRO);
    let until = f.now().after(5 * SECOND);
    assert_eq!(end(&f, &leased, LeaseTo::Last(5 * SECOND)).await?, LeaseEnded::Until(until));
    assert_eq!(f.record(leased.id).await?.eta, until);
    f.advance(5 * SECOND - MICRO);
    assert_eq!(lease(&f, 1).await?, []);
    f.advance(MICRO);
    assert_eq!(lease(&f, 1).await?.len(), 1);
    Ok(())
}

pub(crate) async fn a_lease_of_no_time_gives_the_task_back(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    f.push(task()).await?;
    let leased = lease_one(&f).await?;
    assert_eq!(end(&f, &leased, LeaseTo::Last(Duration::ZERO)).await?, LeaseEnded::Until(f.now()));
    assert_eq!(end(&f, &leased, LeaseTo::Last(LEASE)).await?, LeaseEnded::Lost, "it was given back");
    assert_eq!(lease_one(&f).await?.attempt, 2);
    Ok(())
}

pub(crate) async fn a_lease_that_has_run_out_is_lost(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    f.push(task()).await?;
    let first = lease_one(&f).await?;
    f.advance(LEASE);
    for to in [LeaseTo::Last(LEASE), LeaseTo::Done] {
        assert_eq!(end(&f, &first, to).await?, LeaseEnded::Lost, "nobody has it, {to:?}");
    }
    let second = lease_one(&f).await?;
    for to in [LeaseTo::Last(LEASE), LeaseTo::Last(Duration::ZERO), LeaseTo::Done] {
        assert_eq!(end(&f, &first, to).await?, LeaseEnded::Lost, "somebody else has it, {to:?}");
    }
    assert_eq!(end(&f, &second, LeaseTo::Done).await?, LeaseEnded::Done);
    assert_eq!(end(&f, &second, LeaseTo::Done).await?, LeaseEnded::Lost, "it is done");
    let never = LeaseEnd { id: TaskId::new(), epoch: 1, to: LeaseTo::Done };
    assert_eq!(f.store().settle_leases("q".into(), vec![never]).await?, [LeaseEnded::Lost]);
    Ok(())
}

pub(crate) async fn a_leased_task_that_is_done_succeeds_and_leaves_a_tombstone(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    let id = f.push(named("n")).await?;
    let leased = lease_one(&f).await?;
    assert_eq!(end(&f, &leased, LeaseTo::Done).await?, LeaseEnded::Done);
    let record = f.record(id).await?;
    assert_eq!((record.state, record.finished, record.attempt), (TaskState::Succeeded, Some(f.now()), 1));
    assert_eq!(f.store().push(vec![named("n")]).await?, [Pushed::NameTaken(id)]);
    Ok(())
}

pub(crate) async fn an_exhausted_task_is_not_handed_out_and_fails(f: Fixture) -> Result<()> {
    pull(&f, |queue| queue.retry = Some(Retry { limit: Some(1), ..Retry::DEFAULT })).await?;
    let id = f.push(named("a")).await?;
    for _ in 0..2 {
        assert_eq!(lease_one(&f).await?.id, id);
        f.advance(LEASE);
    }
    let next = f.push(named("b")).await?;
    assert_eq!(ids(&lease(&f, 1).await?), [next], "another takes its place");
    let record = f.record(id).await?;
    assert_eq!((record.state, record.attempt), (TaskState::Failed, 2));
    assert!(record.error.expect("a reason").contains("leased 2 times"));
    Ok(())
}

pub(crate) async fn either_limit_is_enough_for_another_lease(f: Fixture) -> Result<()> {
    let retry = Retry { limit: Some(1), age_limit: Some(3 * LEASE), ..Retry::DEFAULT };
    pull(&f, |queue| queue.retry = Some(retry)).await?;
    f.push(task()).await?;
    for attempt in 1..=4 {
        assert_eq!(lease_one(&f).await?.attempt, attempt);
        f.advance(LEASE);
    }
    assert_eq!(lease(&f, 1).await?, [], "too often, and too old");
    Ok(())
}

pub(crate) async fn without_a_limit_a_task_is_leased_again_and_again(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    f.push(task()).await?;
    for attempt in 1..=40 {
        assert_eq!(lease_one(&f).await?.attempt, attempt);
        f.advance(LEASE);
    }
    Ok(())
}

pub(crate) async fn only_a_pull_queue_that_goes_can_be_leased_from(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    assert!(lease(&f, 1).await.expect_err("refused").is_unknown_queue());
    let default = LeaseOrder { queue: "default".into(), ..order(1, Tagged::Any) };
    assert!(f.store().lease(default).await.expect_err("refused").is_invalid_queue_mode());
    pull(&f, |queue| queue.mode = Mode::Push).await?;
    assert!(lease(&f, 1).await.expect_err("refused").is_invalid_queue_mode());
    pull(&f, |_| ()).await?;
    let leased = lease_one(&f).await?;
    f.store().configure(QueueEdit::Pause("q".into())).await?;
    assert!(lease(&f, 1).await.expect_err("refused").is_queue_paused());
    assert!(end(&f, &leased, LeaseTo::Last(LEASE)).await.expect_err("refused").is_queue_paused());
    f.store().configure(QueueEdit::Resume("q".into())).await?;
    assert_eq!(end(&f, &leased, LeaseTo::Done).await?, LeaseEnded::Done);
    Ok(())
}

pub(crate) async fn a_leased_task_can_be_acted_upon_as_any_scheduled_one(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    let id = f.push(task()).await?;
    let leased = lease_one(&f).await?;
    assert_eq!(f.store().act(Action::Retry, vec![id]).await?, [Acted::Done]);
    assert_eq!(end(&f, &leased, LeaseTo::Last(LEASE)).await?, LeaseEnded::Lost);
    assert_eq!(lease_one(&f).await?.attempt, 1);
    Ok(())
}

pub(crate) async fn stats_count_leased_tasks_as_in_flight(f: Fixture) -> Result<()> {
    pull(&f, |_| ()).await?;
    f.store().push(vec![task(), task(), Task { due: Due::In(2 * LEASE), ..task() }]).await?;
    let leased = lease(&f, 2).await?;
    let stats =
        || async { Ok::<_, delay::Error>(f.store().queue_stats(vec!["q".into()]).await?.swap_remove(0)) };
    assert_eq!((stats().await?.tasks, stats().await?.in_flight), (3, 2));
    end(&f, &leased[0], LeaseTo::Done).await?;
    assert_eq!(
        (stats().await?.tasks, stats().await?.in_flight, stats().await?.executed_last_minute),
        (2, 1, 1)
    );
    f.advance(LEASE);
    assert_eq!(stats().await?.in_flight, 0, "the lease has run out");
    Ok(())
}

pub(crate) async fn a_forgotten_task_is_gone_and_its_name_stays_taken(f: Fixture) -> Result<()> {
    for due in [Due::Now, Due::In(LEASE)] {
        let id = f.push(Task { due, ..named("n") }).await?;
        assert_eq!(forget(&f, "n").await?, Forgotten::Done);
        assert_eq!(f.store().get(vec![id]).await?, [None]);
        assert_eq!(f.store().push(vec![named("n")]).await?, [Pushed::NameTaken(id)]);
        assert_eq!(forget(&f, "n").await?, Forgotten::Tombstoned);
        f.advance(Fixture::RETENTION.tombstone);
        assert_eq!(forget(&f, "n").await?, Forgotten::Unknown, "its time is over");
    }
    f.store().upkeep(UpkeepRules::default()).await?;
    assert_eq!(f.store().push(vec![named("n")]).await?, [Pushed::Added]);
    Ok(())
}

pub(crate) async fn a_task_without_a_name_is_forgotten_by_its_id(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let with_name = f.push(named("n")).await?;
    assert_eq!(forget(&f, &with_name.to_string()).await?, Forgotten::Unknown, "it goes by its name");
    assert_eq!(f.store().forget("other".into(), vec![id.to_string()]).await?, [Forgotten::Unknown]);
    assert_eq!(forget(&f, &id.to_string()).await?, Forgotten::Done);
    assert_eq!(forget(&f, &id.to_string()).await?, Forgotten::Unknown);
    Ok(())
}

pub(crate) async fn to_forget_a_running_task_takes_it_back_from_its_worker(f: Fixture) -> Result<()> {
    let id = f.push(named("n")).await?;
    let hand = Hand::enlist(f.store()).await?;
    hand.claim_one().await?;
    assert_eq!(forget(&f, "n").await?, Forgotten::Asked);
    assert_eq!(hand.turn(vec![], 0, delay::store::Queues::All).await?.cancels, [id]);
    Ok(())
}

pub(crate) async fn the_answers_for_forgotten_tasks_are_aligned(f: Fixture) -> Result<()> {
    f.push(named("ended")).await?;
    Hand::enlist(f.store()).await?.finish_one().await?;
    f.push(named("waits")).await?;
    let names = ["none", "waits", "ended", "waits"].map(str::to_owned);
    assert_eq!(
        f.store().forget("q".into(), names.into()).await?,
        [Forgotten::Unknown, Forgotten::Done, Forgotten::Tombstoned, Forgotten::Tombstoned]
    );
    Ok(())
}

pub(crate) async fn to_purge_removes_every_task_of_the_queue_alone(f: Fixture) -> Result<()> {
    let hand = Hand::enlist(f.store()).await?;
    let ended = f.push(task()).await?;
    hand.finish_one().await?;
    let running = f.push(task()).await?;
    hand.claim_one().await?;
    let held = f.push(task()).await?;
    let claim = hand.claim_one().await?;
    let hold = delay::Transition::Hold { hold: delay::Hold::Undecodable, error: "e".into() };
    hand.settle(&claim, hold).await?;
    let (ready, scheduled) =
        (f.push(named("n")).await?, f.push(Task { due: Due::In(LEASE), ..task() }).await?);
    let other = f.push(Task { queue: "other".into(), ..task() }).await?;
    assert_eq!(f.store().purge("q".into(), 2).await?, 2);
    assert_eq!(f.store().purge("q".into(), 2).await?, 1);
    assert_eq!(f.store().purge("q".into(), 2).await?, 0);
    let left = f.store().get(vec![ended, running, held, ready, scheduled, other]).await?;
    let left: Vec<bool> = left.iter().map(Option::is_some).collect();
    assert_eq!(left, [true, true, false, false, false, true], "what has ended is kept, what runs is asked");
    assert_eq!(hand.turn(vec![], 0, delay::store::Queues::All).await?.cancels, [running]);
    assert_eq!(f.store().push(vec![named("n")]).await?, [Pushed::NameTaken(ready)]);
    assert_eq!(f.store().purge("unheard-of".into(), 2).await?, 0);
    Ok(())
}
