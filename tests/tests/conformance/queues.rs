//! Configured queues: what their limits let workers claim, over all of them, by the store's clock.

use std::time::Duration;

use delay::queues::{Change, Mode, QueueConfig, Rate};
use delay::store::{Pushed, QueueEdit, Queues, Rescue, Resume, Settlement, Turned, UpkeepRules};
use delay::{Due, Result, Retry, Task, TaskState, Transition};
use delay_tests::{Fixture, Hand, LEASE, task};

const SECOND: Duration = Duration::from_secs(1);

/// A queue that is as good as unlimited, but for what a test says of it.
fn queue(name: &str, change: impl FnOnce(&mut QueueConfig)) -> QueueConfig {
    let mut config = QueueConfig::new(name).expect("a name");
    change(&mut config);
    config
}

async fn apply(f: &Fixture, queues: Vec<QueueConfig>) -> Result<Vec<Change>> {
    f.store().configure(QueueEdit::Apply { queues, resume: Resume::ByOperator }).await
}

/// One queue `q` with these limits, and `tasks` in it.
async fn limited(f: &Fixture, tasks: usize, change: impl FnOnce(&mut QueueConfig)) -> Result<()> {
    apply(f, vec![queue("q", change)]).await?;
    f.store().push((0..tasks).map(|_| task()).collect()).await.map(drop)
}

fn per_second(rate: f64, bucket_size: u32) -> impl FnOnce(&mut QueueConfig) {
    move |queue| {
        queue.rate = Some(Rate::new(rate, delay::queues::Per::Second).expect("a rate"));
        queue.bucket_size = bucket_size;
    }
}

async fn claims(hand: &Hand) -> Result<usize> {
    Ok(hand.claim(1000).await?.len())
}

fn settle(turned: &Turned, transition: &Transition) -> Vec<Settlement> {
    let settlement =
        |claim: &delay::store::Claim| Settlement { fence: claim.fence, transition: transition.clone() };
    turned.claims.iter().map(settlement).collect()
}

pub(crate) async fn a_store_has_no_configured_queues_at_first(f: Fixture) -> Result<()> {
    assert_eq!(f.store().queue_configs().await?, []);
    Ok(())
}

pub(crate) async fn a_configuration_comes_back_as_it_was_applied(f: Fixture) -> Result<()> {
    let all = queue("mail", |queue| {
        per_second(0.5, 40)(queue);
        queue.mode = Mode::Pull;
        queue.max_concurrent_requests = 7;
        queue.target = Some("https://example.com/".to_owned());
        queue.retry = Some(Retry { age_limit: Some(LEASE), ..Retry::NEVER });
        queue.tombstone = 9 * SECOND;
    });
    let applied = apply(&f, vec![queue("plain", |_| ()), all.clone()]).await?;
    assert_eq!(applied, [Change::Add(queue("plain", |_| ())), Change::Add(all.clone())]);
    assert_eq!(f.store().queue_configs().await?, [all, queue("plain", |_| ())], "by name");
    assert_eq!(f.second().await?.queue_configs().await?.len(), 2, "for everybody");
    Ok(())
}

pub(crate) async fn applying_the_same_again_changes_nothing(f: Fixture) -> Result<()> {
    limited(&f, 0, per_second(1.0, 5)).await?;
    assert_eq!(apply(&f, vec![queue("q", per_second(1.0, 5))]).await?, []);
    Ok(())
}

pub(crate) async fn a_queue_that_is_no_longer_named_stops_and_keeps_its_tasks(f: Fixture) -> Result<()> {
    limited(&f, 1, |_| ()).await?;
    assert_eq!(apply(&f, vec![]).await?, [Change::Stop { queue: "q".to_owned() }]);
    let hand = Hand::enlist(f.store()).await?;
    assert_eq!(claims(&hand).await?, 0);
    assert_eq!(apply(&f, vec![]).await?, [], "it has stopped already");
    apply(&f, vec![queue("q", |_| ())]).await?;
    assert_eq!(claims(&hand).await?, 1, "it is named again");
    Ok(())
}

pub(crate) async fn a_queue_without_a_configuration_is_not_limited(f: Fixture) -> Result<()> {
    apply(&f, vec![queue("other", per_second(1.0, 1))]).await?;
    f.store().push((0..100).map(|_| task()).collect()).await?;
    assert_eq!(claims(&Hand::enlist(f.store()).await?).await?, 100);
    Ok(())
}

pub(crate) async fn a_rate_lets_a_bucket_go_at_once_and_then_one_after_the_other(f: Fixture) -> Result<()> {
    limited(&f, 20, per_second(2.0, 5)).await?;
    let hand = Hand::enlist(f.store()).await?;
    assert_eq!(claims(&hand).await?, 5, "the bucket");
    assert_eq!(claims(&hand).await?, 0);
    f.advance(SECOND / 2);
    assert_eq!(claims(&hand).await?, 1);
    f.advance(SECOND);
    assert_eq!(claims(&hand).await?, 2);
    f.advance(100 * SECOND);
    assert_eq!(claims(&hand).await?, 5, "no more than the bucket holds");
    Ok(())
}

pub(crate) async fn a_rate_holds_over_all_workers_and_connections(f: Fixture) -> Result<()> {
    limited(&f, 20, per_second(1.0, 6)).await?;
    let hands = [Hand::enlist(f.store()).await?, Hand::enlist(&f.second().await?).await?];
    assert_eq!(hands[0].claim(4).await?.len(), 4);
    assert_eq!(claims(&hands[1]).await?, 2);
    f.advance(3 * SECOND);
    assert_eq!(hands[1].claim(1).await?.len(), 1);
    assert_eq!(claims(&hands[0]).await?, 2);
    assert_eq!(claims(&hands[1]).await?, 0);
    Ok(())
}

pub(crate) async fn workers_that_claim_at_once_share_the_tokens(f: Fixture) -> Result<()> {
    limited(&f, 200, per_second(1.0, 50)).await?;
    let second = f.second().await?;
    let stores = [f.store(), &second];
    let mut turns = Vec::new();
    for i in 0..16 {
        let hand = Hand::enlist(stores[i % 2]).await?;
        turns.push(tokio::spawn(async move { hand.claim(10).await }));
    }
    let mut claimed = 0;
    for turn in turns {
        claimed += turn.await.expect("the worker does not panic")?.len();
    }
    assert_eq!(claimed, 50);
    Ok(())
}

pub(crate) async fn a_retry_takes_a_token_too(f: Fixture) -> Result<()> {
    limited(&f, 1, per_second(1.0, 2)).await?;
    let hand = Hand::enlist(f.store()).await?;
    let again = || Transition::Retry { wait: Duration::ZERO, error: "e".to_owned() };
    for _ in 0..2 {
        let claim = hand.claim_one().await?;
        hand.settle(&claim, again()).await?;
    }
    assert_eq!(claims(&hand).await?, 0);
    f.advance(SECOND);
    assert_eq!(hand.claim_one().await?.attempt, 3);
    Ok(())
}

pub(crate) async fn a_worker_is_told_when_the_next_token_comes(f: Fixture) -> Result<()> {
    limited(&f, 3, per_second(0.1, 2)).await?;
    let hand = Hand::enlist(f.store()).await?;
    assert_eq!(hand.turn(vec![], 10, Queues::All).await?.next, Some(10 * SECOND));
    f.advance(4 * SECOND);
    assert_eq!(hand.turn(vec![], 10, Queues::All).await?.next, Some(6 * SECOND));
    f.push(Task { due: Due::In(SECOND), queue: "other".into(), ..task() }).await?;
    assert_eq!(hand.turn(vec![], 10, Queues::All).await?.next, Some(SECOND), "whichever comes first");
    Ok(())
}

pub(crate) async fn a_worker_waits_for_no_token_if_there_is_no_task(f: Fixture) -> Result<()> {
    limited(&f, 2, per_second(0.1, 2)).await?;
    let hand = Hand::enlist(f.store()).await?;
    let turned = hand.turn(vec![], 10, Queues::All).await?;
    assert_eq!((turned.claims.len(), turned.next), (2, None));
    Ok(())
}

pub(crate) async fn a_limited_queue_leaves_the_others_its_share(f: Fixture) -> Result<()> {
    limited(&f, 50, per_second(1.0, 3)).await?;
    f.store().push((0..50).map(|_| Task { queue: "other".into(), ..task() }).collect()).await?;
    let claimed = Hand::enlist(f.store()).await?.claim(40).await?;
    assert_eq!(claimed.iter().filter(|claim| claim.queue == "q").count(), 3);
    assert_eq!(claimed.len(), 40, "what it leaves the others get");
    Ok(())
}

pub(crate) async fn an_empty_limited_queue_takes_nothing_from_the_others(f: Fixture) -> Result<()> {
    limited(&f, 0, per_second(1.0, 3)).await?;
    let hand = Hand::enlist(f.store()).await?;
    assert_eq!(claims(&hand).await?, 0, "it has seen that there is one");
    for (name, tasks) in [("one", 2), ("two", 2), ("three", 1), ("four", 45)] {
        let tasks = (0..tasks).map(|_| Task { queue: name.into(), ..task() });
        f.store().push(tasks.collect()).await?;
    }
    f.advance(10 * SECOND);
    for _ in 0..5 {
        assert_eq!(hand.claim(10).await?.len(), 10);
    }
    Ok(())
}

pub(crate) async fn limited_queues_share_what_a_claim_wants(f: Fixture) -> Result<()> {
    let names = ["one", "two", "three"];
    let fast = |name: &&str| queue(name, per_second(1000.0, 500));
    apply(&f, names.iter().map(fast).collect()).await?;
    let tasks = (0..30).map(|n| Task { queue: names[n % 3].into(), ..task() });
    f.store().push(tasks.collect()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claimed = hand.claim(8).await?;
    let of = |name: &str| claimed.iter().filter(|claim| claim.queue == name).count();
    assert!(names.iter().all(|name| (2..=3).contains(&of(name))), "{claimed:?}");
    assert_eq!(claimed.len(), 8, "no more than it wants");
    assert_eq!(hand.claim(1).await?.len(), 1);
    assert_eq!(claims(&hand).await?, 21);
    Ok(())
}

pub(crate) async fn what_one_limited_queue_may_not_give_others_give(f: Fixture) -> Result<()> {
    let queues = vec![
        queue("slow", per_second(1.0, 1)),
        queue("narrow", |queue| queue.max_concurrent_requests = 2),
        queue("fast", per_second(1000.0, 500)),
        queue("empty", per_second(1000.0, 500)),
    ];
    apply(&f, queues).await?;
    let tasks = (0..60).map(|n| Task { queue: ["slow", "narrow", "fast"][n % 3].into(), ..task() });
    f.store().push(tasks.collect()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let turned = hand.turn(vec![], 12, Queues::All).await?;
    let of = |name: &str| turned.claims.iter().filter(|claim| claim.queue == name).count();
    assert_eq!((of("slow"), of("narrow"), of("fast")), (1, 2, 9));
    let turned = hand.turn(vec![], 12, Queues::All).await?;
    assert_eq!((turned.claims.len(), turned.next), (11, Some(SECOND)), "until the next token comes");
    Ok(())
}

pub(crate) async fn no_more_run_at_once_than_may_over_all_workers(f: Fixture) -> Result<()> {
    limited(&f, 10, |queue| queue.max_concurrent_requests = 3).await?;
    let hands = [Hand::enlist(f.store()).await?, Hand::enlist(&f.second().await?).await?];
    let first = hands[0].turn(vec![], 2, Queues::All).await?;
    assert_eq!((first.claims.len(), claims(&hands[1]).await?, claims(&hands[0]).await?), (2, 1, 0));
    let turned = hands[0].turn(settle(&first, &Transition::Succeed(None)), 10, Queues::All).await?;
    assert_eq!(turned.claims.len(), 2, "as many as have ended");
    assert_eq!(claims(&hands[1]).await?, 0);
    Ok(())
}

pub(crate) async fn every_way_to_end_an_attempt_makes_room(f: Fixture) -> Result<()> {
    let later = Duration::from_secs(1_000_000);
    let ends = [
        Transition::Succeed(None),
        Transition::Fail { error: "e".into() },
        Transition::Cancel { reason: "r".into() },
        Transition::Retry { wait: later, error: "e".into() },
        Transition::Snooze { wait: later },
        Transition::Hold { hold: delay::Hold::Undecodable, error: "e".into() },
    ];
    limited(&f, 2 * ends.len() + 2, |queue| queue.max_concurrent_requests = 2).await?;
    let hand = Hand::enlist(f.store()).await?;
    let mut turned = hand.turn(vec![], 10, Queues::All).await?;
    for end in ends {
        assert_eq!(turned.claims.len(), 2, "before {end:?}");
        turned = hand.turn(settle(&turned, &end), 10, Queues::All).await?;
    }
    assert_eq!(turned.claims.len(), 2);
    Ok(())
}

pub(crate) async fn an_attempt_that_is_settled_twice_makes_room_once(f: Fixture) -> Result<()> {
    limited(&f, 10, |queue| queue.max_concurrent_requests = 2).await?;
    let hand = Hand::enlist(f.store()).await?;
    let turned = hand.turn(vec![], 10, Queues::All).await?;
    let one = settle(&turned, &Transition::Succeed(None)).swap_remove(0);
    assert_eq!(hand.turn(vec![one.clone(), one.clone()], 10, Queues::All).await?.claims.len(), 1);
    assert_eq!(hand.turn(vec![one], 10, Queues::All).await?.claims.len(), 0);
    Ok(())
}

pub(crate) async fn a_worker_that_retires_or_dies_makes_room(f: Fixture) -> Result<()> {
    limited(&f, 10, |queue| queue.max_concurrent_requests = 2).await?;
    let first = Hand::enlist(f.store()).await?;
    assert_eq!(claims(&first).await?, 2);
    f.store().retire(first.id).await?;
    assert_eq!(claims(&Hand::enlist(f.store()).await?).await?, 2);
    f.advance(2 * LEASE);
    f.store().upkeep(UpkeepRules { rescue: Rescue::Now, ..UpkeepRules::default() }).await?;
    let third = Hand::enlist(f.store()).await?;
    assert_eq!((claims(&third).await?, claims(&third).await?), (2, 0));
    Ok(())
}

pub(crate) async fn tasks_that_run_already_count_when_a_limit_comes(f: Fixture) -> Result<()> {
    f.store().push((0..10).map(|_| task()).collect()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let early = hand.turn(vec![], 4, Queues::All).await?;
    limited(&f, 0, |queue| queue.max_concurrent_requests = 5).await?;
    assert_eq!((claims(&hand).await?, claims(&hand).await?), (1, 0));
    hand.turn(settle(&early, &Transition::Succeed(None)), 0, Queues::All).await?;
    // They end as they began, without a word to the limit; upkeep counts anew where nothing has moved for a while.
    f.advance(2 * SECOND);
    f.store().upkeep(UpkeepRules::default()).await?;
    assert_eq!(claims(&hand).await?, 4);
    Ok(())
}

pub(crate) async fn others_are_told_when_there_is_room_again(f: Fixture) -> Result<()> {
    limited(&f, 2, |queue| queue.max_concurrent_requests = 1).await?;
    let hand = Hand::enlist(f.store()).await?;
    let turned = hand.turn(vec![], 1, Queues::All).await?;
    let mut signal = f.store().signals().subscribe();
    signal.mark_unchanged();
    hand.turn(settle(&turned, &Transition::Succeed(None)), 0, Queues::All).await?;
    delay_tests::soon("the signal", signal.changed()).await.expect("the store lives");
    Ok(())
}

pub(crate) async fn nothing_is_claimed_from_a_paused_queue_and_all_once_it_is_resumed(
    f: Fixture,
) -> Result<()> {
    f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let paused = f.store().configure(QueueEdit::Pause("q".to_owned())).await?;
    assert_eq!(paused.len(), 1);
    assert_eq!(claims(&hand).await?, 0);
    let only = Queues::Only(vec!["q".to_owned()].into());
    assert_eq!(hand.turn(vec![], 1, only).await?.claims.len(), 0, "whoever asks");
    assert_eq!(f.store().configure(QueueEdit::Pause("q".to_owned())).await?, [], "it is paused already");
    let mut signal = f.store().signals().subscribe();
    signal.mark_unchanged();
    assert_eq!(f.store().configure(QueueEdit::Resume("q".to_owned())).await?.len(), 1);
    delay_tests::soon("the signal", signal.changed()).await.expect("the store lives");
    assert_eq!(claims(&hand).await?, 1);
    assert_eq!(f.store().queue_configs().await?, [], "as it was before");
    Ok(())
}

pub(crate) async fn what_runs_when_a_queue_is_paused_may_end(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    let hand = Hand::enlist(f.store()).await?;
    let claim = hand.claim_one().await?;
    f.store().configure(QueueEdit::Pause("q".to_owned())).await?;
    hand.settle(&claim, Transition::Succeed(None)).await?;
    assert_eq!(f.record(id).await?.state, TaskState::Succeeded);
    Ok(())
}

pub(crate) async fn a_rate_of_zero_pauses(f: Fixture) -> Result<()> {
    limited(&f, 1, |queue| queue.rate = Some(Rate::PAUSED)).await?;
    let hand = Hand::enlist(f.store()).await?;
    let turned = hand.turn(vec![], 1, Queues::All).await?;
    assert_eq!((turned.claims.len(), turned.next), (0, None));
    Ok(())
}

pub(crate) async fn what_an_operator_paused_a_file_does_not_resume_unless_it_says_so(
    f: Fixture,
) -> Result<()> {
    limited(&f, 1, |_| ()).await?;
    f.store().configure(QueueEdit::Pause("q".to_owned())).await?;
    assert_eq!(apply(&f, vec![queue("q", |_| ())]).await?, []);
    let resume = QueueEdit::Apply { queues: vec![queue("q", |_| ())], resume: Resume::WithFile };
    assert_eq!(f.store().configure(resume).await?.len(), 1);
    assert_eq!(claims(&Hand::enlist(f.store()).await?).await?, 1);
    Ok(())
}

pub(crate) async fn workers_never_claim_from_a_pull_queue(f: Fixture) -> Result<()> {
    limited(&f, 1, |queue| queue.mode = Mode::Pull).await?;
    let hand = Hand::enlist(f.store()).await?;
    assert_eq!(claims(&hand).await?, 0);
    assert_eq!(hand.turn(vec![], 1, Queues::Only(vec!["q".to_owned()].into())).await?.claims.len(), 0);
    Ok(())
}

pub(crate) async fn a_queue_with_a_target_is_left_to_whoever_names_it(f: Fixture) -> Result<()> {
    limited(&f, 1, |queue| queue.target = Some("https://example.com/".to_owned())).await?;
    let hand = Hand::enlist(f.store()).await?;
    assert_eq!(claims(&hand).await?, 0);
    assert_eq!(hand.turn(vec![], 1, Queues::Only(vec!["q".to_owned()].into())).await?.claims.len(), 1);
    Ok(())
}

pub(crate) async fn a_claim_brings_the_queues_retry_parameters(f: Fixture) -> Result<()> {
    let retry = Retry { limit: Some(7), age_limit: Some(LEASE), ..Retry::DEFAULT };
    limited(&f, 1, |queue| queue.retry = Some(retry)).await?;
    f.push(Task { queue: "other".into(), ..task() }).await?;
    let claims = Hand::enlist(f.store()).await?.claim(2).await?;
    let retry_of =
        |queue: &str| claims.iter().find(|claim| claim.queue == queue).and_then(|claim| claim.retry);
    assert_eq!((retry_of("q"), retry_of("other")), (Some(retry), None));
    Ok(())
}

pub(crate) async fn a_name_stays_taken_for_its_queues_tombstone_time(f: Fixture) -> Result<()> {
    limited(&f, 0, |queue| queue.tombstone = 9 * SECOND).await?;
    let named = || Task { name: Some("n".into()), ..task() };
    let holder = f.push(named()).await?;
    Hand::enlist(f.store()).await?.finish_one().await?;
    f.advance(9 * SECOND - Duration::from_micros(1));
    assert_eq!(f.store().push(vec![named()]).await?, [Pushed::NameTaken(holder)]);
    f.advance(Duration::from_micros(1));
    assert_eq!(f.store().push(vec![named()]).await?, [Pushed::Added]);
    Ok(())
}

pub(crate) async fn a_changed_rate_counts_from_its_change_on(f: Fixture) -> Result<()> {
    limited(&f, 100, per_second(1.0, 5)).await?;
    let hand = Hand::enlist(f.store()).await?;
    assert_eq!(claims(&hand).await?, 5);
    f.advance(2 * SECOND);
    apply(&f, vec![queue("q", per_second(10.0, 50))]).await?;
    assert_eq!(claims(&hand).await?, 2, "no new bucket, and what was gained at the old rate");
    f.advance(SECOND);
    assert_eq!(claims(&hand).await?, 10);
    Ok(())
}

pub(crate) async fn a_clock_that_goes_back_makes_no_tokens(f: Fixture) -> Result<()> {
    limited(&f, 100, per_second(1.0, 5)).await?;
    let hand = Hand::enlist(f.store()).await?;
    assert_eq!(claims(&hand).await?, 5);
    let now = f.now();
    f.set_clock(now.before(1000 * SECOND));
    f.store().push((0..10).map(|_| task()).collect()).await?;
    assert_eq!(claims(&hand).await?, 0);
    f.set_clock(now.after(SECOND));
    assert_eq!(claims(&hand).await?, 1);
    Ok(())
}

pub(crate) async fn stats_tell_what_goes_on_in_a_queue(f: Fixture) -> Result<()> {
    limited(&f, 4, per_second(3.0, 5)).await?;
    let start = f.now();
    f.advance(SECOND);
    f.push(Task { due: Due::In(SECOND), ..task() }).await?;
    let hand = Hand::enlist(f.store()).await?;
    let turned = hand.turn(vec![], 3, Queues::All).await?;
    let ends = [
        Transition::Succeed(None),
        Transition::Fail { error: "e".into() },
        Transition::Hold { hold: delay::Hold::Undecodable, error: "e".into() },
    ];
    let settled = turned
        .claims
        .iter()
        .zip(ends)
        .map(|(claim, transition)| Settlement { fence: claim.fence, transition });
    hand.turn(settled.collect(), 1, Queues::All).await?;
    let [stats, none] =
        <[_; 2]>::try_from(f.store().queue_stats(vec!["q".into(), "none".into()]).await?).expect("two");
    assert_eq!((stats.tasks, stats.in_flight, stats.executed_last_minute), (3, 1, 2));
    assert_eq!((stats.oldest_eta, stats.enforced_rate), (Some(start), Some(3.0)));
    assert_eq!((none.tasks, none.oldest_eta, none.in_flight, none.enforced_rate), (0, None, 0, None));
    f.advance(60 * SECOND);
    f.store().configure(QueueEdit::Pause("q".to_owned())).await?;
    let stats = f.store().queue_stats(vec!["q".into()]).await?.swap_remove(0);
    assert_eq!((stats.executed_last_minute, stats.enforced_rate), (0, Some(0.0)));
    Ok(())
}
