//! Claiming tasks: which, in what order, and when.

use std::collections::HashSet;
use std::time::Duration;

use delay::store::{Claim, Queues};
use delay::{Due, Result, Task, TaskId, TaskState, Transition};
use delay_tests::{Fixture, Hand, task};

const HOUR: Duration = Duration::from_secs(3600);

fn ids(claims: &[Claim]) -> Vec<TaskId> {
    claims.iter().map(|claim| claim.fence.id).collect()
}

fn per_queue(claims: &[Claim], queue: &str) -> usize {
    claims.iter().filter(|claim| claim.queue == queue).count()
}

/// Claims task by task: what comes first is chosen by the store, not by the order of an answer.
async fn one_by_one(f: &Fixture, tasks: usize) -> Result<Vec<TaskId>> {
    let hand = Hand::enlist(f.store()).await?;
    let mut claimed = Vec::new();
    for _ in 0..tasks {
        claimed.push(hand.claim_one().await?.fence.id);
    }
    Ok(claimed)
}

async fn fill(f: &Fixture, queue: &'static str, tasks: usize) -> Result<()> {
    let tasks = (0..tasks).map(|_| Task { queue: queue.into(), ..task() }).collect();
    f.store().push(tasks).await.map(drop)
}

pub(crate) async fn a_claim_carries_all_that_the_task_was_given(f: Fixture) -> Result<()> {
    let given = Task {
        queue: "mail".into(),
        name: Some("n".into()),
        priority: 3,
        options: Some(vec![1, 2]),
        payload: vec![9, 9],
        ..task()
    };
    let id = f.push(given).await?;
    let claim = Hand::enlist(f.store()).await?.claim_one().await?;
    assert_eq!((claim.fence.id, claim.fence.epoch, claim.fence.named), (id, 1, true));
    assert_eq!((claim.attempt, claim.crashes, claim.age), (1, 0, Duration::ZERO));
    assert_eq!((claim.queue.as_str(), claim.name.as_deref(), claim.priority), ("mail", Some("n"), 3));
    assert_eq!((claim.options, claim.payload, claim.eta), (Some(vec![1, 2]), vec![9, 9], f.now()));
    Ok(())
}

pub(crate) async fn a_claimed_task_is_running_under_its_worker(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    assert!(!hand.claim_one().await?.fence.named);
    let record = f.record(id).await?;
    assert_eq!((record.state, record.worker), (TaskState::Running, Some(hand.id)));
    assert_eq!((record.attempt, record.epoch), (1, 1));
    Ok(())
}

pub(crate) async fn lower_priority_numbers_are_claimed_first(f: Fixture) -> Result<()> {
    for priority in [5, i16::MIN, 0, i16::MAX, -5] {
        f.push(Task { priority, ..task() }).await?;
    }
    let claims = Hand::enlist(f.store()).await?.claim(10).await?;
    let order: Vec<i16> = claims.iter().map(|claim| claim.priority).collect();
    assert_eq!(order, [i16::MIN, -5, 0, 5, i16::MAX], "an answer begins with the most urgent");
    Ok(())
}

pub(crate) async fn a_more_urgent_task_overtakes_one_that_has_waited_for_long(f: Fixture) -> Result<()> {
    let old = f.push(task()).await?;
    f.advance(HOUR);
    let urgent = f.push(Task { priority: -1, ..task() }).await?;
    assert_eq!(one_by_one(&f, 2).await?, [urgent, old]);
    Ok(())
}

pub(crate) async fn within_a_priority_the_earlier_eta_is_claimed_first(f: Fixture) -> Result<()> {
    let late = f.push(Task { due: Due::In(2 * HOUR), ..task() }).await?;
    let early = f.push(Task { due: Due::In(HOUR), ..task() }).await?;
    let now = f.push(task()).await?;
    f.advance(3 * HOUR);
    assert_eq!(one_by_one(&f, 3).await?, [now, early, late]);
    Ok(())
}

pub(crate) async fn with_equal_priority_and_eta_the_older_id_is_claimed_first(f: Fixture) -> Result<()> {
    let (first, second) = (task(), task());
    f.push(second.clone()).await?;
    f.push(first.clone()).await?;
    assert_eq!(one_by_one(&f, 2).await?, [first.id, second.id]);
    Ok(())
}

pub(crate) async fn the_order_holds_over_several_claims(f: Fixture) -> Result<()> {
    let tasks: Vec<Task> = (0..30).map(|i| Task { priority: (i * 7 % 30) as i16, ..task() }).collect();
    f.store().push(tasks).await?;
    let hand = Hand::enlist(f.store()).await?;
    let mut order = Vec::new();
    for want in [1, 4, 9, 16] {
        order.extend(hand.claim(want).await?.into_iter().map(|claim| claim.priority));
    }
    assert_eq!(order, (0..30).collect::<Vec<i16>>());
    Ok(())
}

pub(crate) async fn a_scheduled_task_that_is_due_does_not_overtake_by_lateness(f: Fixture) -> Result<()> {
    let late = f.push(Task { due: Due::In(HOUR), priority: 1, ..task() }).await?;
    f.advance(2 * HOUR);
    let urgent = f.push(task()).await?;
    assert_eq!(one_by_one(&f, 2).await?, [urgent, late]);
    Ok(())
}

pub(crate) async fn each_queue_gets_its_share_of_a_claim(f: Fixture) -> Result<()> {
    fill(&f, "big", 100).await?;
    fill(&f, "small", 100).await?;
    let claims = Hand::enlist(f.store()).await?.claim(10).await?;
    assert_eq!((per_queue(&claims, "big"), per_queue(&claims, "small")), (5, 5));
    Ok(())
}

pub(crate) async fn what_one_queue_leaves_the_others_get(f: Fixture) -> Result<()> {
    fill(&f, "a", 1).await?;
    fill(&f, "b", 100).await?;
    fill(&f, "c", 2).await?;
    let claims = Hand::enlist(f.store()).await?.claim(30).await?;
    assert_eq!(["a", "b", "c"].map(|queue| per_queue(&claims, queue)), [1, 27, 2]);
    Ok(())
}

pub(crate) async fn what_a_full_claim_left_the_next_one_gets(f: Fixture) -> Result<()> {
    for queue in ["one", "two", "three"] {
        fill(&f, queue, 5).await?;
    }
    // So long that nothing is new any more.
    f.advance(Duration::from_secs(10));
    let hand = Hand::enlist(f.store()).await?;
    assert_eq!(hand.claim(7).await?.len(), 7, "of one queue less than its share");
    assert_eq!(hand.claim(100).await?.len(), 8);
    Ok(())
}

pub(crate) async fn no_queue_is_always_served_first(f: Fixture) -> Result<()> {
    for queue in ["a", "b", "c"] {
        fill(&f, queue, 3).await?;
    }
    let hand = Hand::enlist(f.store()).await?;
    let mut served = HashSet::new();
    for _ in 0..3 {
        served.insert(hand.claim_one().await?.queue);
    }
    assert_eq!(served.len(), 3, "one queue was served twice while others waited: {served:?}");
    Ok(())
}

pub(crate) async fn urgency_in_one_queue_does_not_starve_another(f: Fixture) -> Result<()> {
    f.store().push((0..50).map(|_| Task { queue: "vip".into(), priority: -100, ..task() }).collect()).await?;
    fill(&f, "plain", 50).await?;
    let claims = Hand::enlist(f.store()).await?.claim(20).await?;
    assert_eq!(per_queue(&claims, "plain"), 10);
    Ok(())
}

pub(crate) async fn only_the_named_queues_are_served(f: Fixture) -> Result<()> {
    for queue in ["a", "b", "c"] {
        fill(&f, queue, 5).await?;
    }
    let hand = Hand::enlist(f.store()).await?;
    let only = Queues::Only(["a".to_owned(), "c".to_owned(), "none".to_owned()].into());
    let claims = hand.turn(Vec::new(), 100, only.clone()).await?.claims;
    assert_eq!(["a", "b", "c"].map(|queue| per_queue(&claims, queue)), [5, 0, 5]);
    assert!(hand.turn(Vec::new(), 100, only).await?.claims.is_empty());
    Ok(())
}

pub(crate) async fn a_worker_of_no_queue_gets_nothing(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    assert!(hand.turn(Vec::new(), 10, Queues::Only([].into())).await?.claims.is_empty());
    Ok(())
}

pub(crate) async fn a_task_is_not_claimed_before_its_eta(f: Fixture) -> Result<()> {
    f.push(Task { due: Due::In(HOUR), ..task() }).await?;
    f.advance(HOUR - Duration::from_micros(1));
    f.store().upkeep(delay::store::UpkeepRules::default()).await?;
    assert!(Hand::enlist(f.store()).await?.claim(1).await?.is_empty());
    Ok(())
}

pub(crate) async fn a_task_is_claimed_at_its_eta_without_upkeep(f: Fixture) -> Result<()> {
    f.push(Task { due: Due::In(HOUR), ..task() }).await?;
    let hand = Hand::enlist(f.store()).await?;
    f.advance(HOUR);
    assert_eq!(hand.claim(1).await?.len(), 1);
    Ok(())
}

pub(crate) async fn a_clock_that_goes_back_makes_nothing_due(f: Fixture) -> Result<()> {
    let id = f.push(Task { due: Due::In(HOUR), ..task() }).await?;
    f.set_clock(f.now().before(24 * HOUR));
    let hand = Hand::enlist(f.store()).await?;
    assert!(hand.claim(1).await?.is_empty());
    assert_eq!(f.record(id).await?.state, TaskState::Scheduled);
    Ok(())
}

pub(crate) async fn next_tells_how_long_until_the_next_task_is_due(f: Fixture) -> Result<()> {
    f.push(Task { due: Due::In(2 * HOUR), ..task() }).await?;
    f.push(Task { due: Due::In(HOUR), ..task() }).await?;
    let hand = Hand::enlist(f.store()).await?;
    let next = async |want| Ok::<_, delay::Error>(hand.turn(Vec::new(), want, Queues::All).await?.next);
    assert_eq!((next(0).await?, next(1).await?), (Some(HOUR), Some(HOUR)));
    f.advance(HOUR / 4);
    assert_eq!(next(1).await?, Some(HOUR / 4 * 3));
    f.advance(HOUR);
    assert_eq!(next(1).await?, Some(HOUR / 4 * 3), "the first is claimed: the second is next");
    Ok(())
}

pub(crate) async fn next_is_nothing_without_scheduled_tasks(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    assert_eq!(hand.turn(Vec::new(), 1, Queues::All).await?.next, None);
    Ok(())
}

pub(crate) async fn next_counts_what_the_same_turn_puts_back(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let fence = hand.claim_one().await?.fence;
    let transition = Transition::Snooze { wait: HOUR };
    let turned = hand.turn(vec![delay::store::Settlement { fence, transition }], 1, Queues::All).await?;
    assert_eq!(turned.next, Some(HOUR));
    Ok(())
}

pub(crate) async fn a_claim_takes_no_more_than_it_wants(f: Fixture) -> Result<()> {
    fill(&f, "q", 5).await?;
    let hand = Hand::enlist(f.store()).await?;
    assert_eq!(hand.claim(0).await?.len(), 0);
    assert_eq!(hand.claim(3).await?.len(), 3);
    assert_eq!(hand.claim(usize::MAX).await?.len(), 2);
    Ok(())
}

pub(crate) async fn a_running_task_is_not_claimed_again(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    let (one, other) = (Hand::enlist(f.store()).await?, Hand::enlist(&f.second().await?).await?);
    one.claim_one().await?;
    assert!(one.claim(1).await?.is_empty());
    assert!(other.claim(1).await?.is_empty());
    Ok(())
}

pub(crate) async fn workers_that_claim_at_once_share_without_overlap(f: Fixture) -> Result<()> {
    fill(&f, "q", 200).await?;
    let second = f.second().await?;
    let hands = [
        Hand::enlist(f.store()).await?,
        Hand::enlist(&second).await?,
        Hand::enlist(f.store()).await?,
        Hand::enlist(&second).await?,
    ];
    let drain = async |hand: &Hand| {
        let mut claimed = Vec::new();
        loop {
            let claims = hand.claim(7).await?;
            if claims.is_empty() {
                return Ok::<_, delay::Error>(claimed);
            }
            claimed.extend(ids(&claims));
        }
    };
    let [a, b, c, d] = &hands;
    let (a, b, c, d) = tokio::try_join!(drain(a), drain(b), drain(c), drain(d))?;
    let all = [a, b, c, d].concat();
    assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (200, 200));
    Ok(())
}

pub(crate) async fn age_counts_from_the_first_claim(f: Fixture) -> Result<()> {
    f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    f.advance(HOUR);
    let first = hand.claim_one().await?;
    assert_eq!(first.age, Duration::ZERO);
    hand.settle(&first, Transition::Retry { wait: HOUR, error: "e".into() }).await?;
    f.advance(3 * HOUR);
    assert_eq!(hand.claim_one().await?.age, 3 * HOUR);
    Ok(())
}
