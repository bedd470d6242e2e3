//! Reads for people: get, list, counts.

use delay::store::{Count, Filter, Order, TaskRecord};
use delay::{Result, Task, TaskId, TaskState, Transition};
use delay_tests::{Fixture, Hand, task};

const ALL: Filter = Filter {
    state: None,
    queue: None,
    name: None,
    payload_prefix: None,
    beyond: None,
    order: Order::OldestFirst,
    limit: 1000,
};

async fn listed(f: &Fixture, filter: Filter) -> Result<Vec<TaskId>> {
    Ok(f.store().list(filter).await?.iter().map(|record| record.id).collect())
}

async fn fill(f: &Fixture, tasks: usize) -> Result<Vec<TaskId>> {
    let tasks: Vec<Task> = (0..tasks).map(|i| Task { priority: -(i as i16), ..task() }).collect();
    let ids = tasks.iter().map(|task| task.id).collect();
    f.store().push(tasks).await?;
    Ok(ids)
}

pub(crate) async fn get_is_aligned_with_the_ids(f: Fixture) -> Result<()> {
    let (a, b) = (f.push(task()).await?, f.push(task()).await?);
    let got = f.store().get(vec![b, TaskId::new(), a, b]).await?;
    let ids: Vec<_> = got.iter().map(|record| record.as_ref().map(|record| record.id)).collect();
    assert_eq!(ids, [Some(b), None, Some(a), Some(b)]);
    assert_eq!(f.store().get(Vec::new()).await?, []);
    Ok(())
}

pub(crate) async fn list_gives_whole_records_in_the_order_of_ids(f: Fixture) -> Result<()> {
    let ids = fill(&f, 5).await?;
    assert_eq!(listed(&f, ALL).await?, ids);
    let first: TaskRecord = f.store().list(ALL).await?.remove(0);
    assert_eq!(first, f.record(ids[0]).await?);
    let newest = listed(&f, Filter { order: Order::NewestFirst, ..ALL }).await?;
    assert_eq!(newest, ids.into_iter().rev().collect::<Vec<_>>());
    Ok(())
}

pub(crate) async fn pages_show_each_task_once_in_both_directions(f: Fixture) -> Result<()> {
    let ids = fill(&f, 7).await?;
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let mut seen = page_by_page(&f, order, 3).await?;
        if order == Order::NewestFirst {
            seen.reverse();
        }
        assert_eq!(seen, ids);
    }
    Ok(())
}

pub(crate) async fn a_page_may_begin_beyond_an_id_that_is_gone(f: Fixture) -> Result<()> {
    let ids = fill(&f, 3).await?;
    f.store().act(delay::store::Action::Delete, vec![ids[1]]).await?;
    assert_eq!(listed(&f, Filter { beyond: Some(ids[1]), ..ALL }).await?, [ids[2]]);
    Ok(())
}

pub(crate) async fn a_limit_of_zero_lists_nothing(f: Fixture) -> Result<()> {
    fill(&f, 2).await?;
    assert_eq!(listed(&f, Filter { limit: 0, ..ALL }).await?, []);
    Ok(())
}

pub(crate) async fn the_largest_limit_lists_everything(f: Fixture) -> Result<()> {
    let ids = fill(&f, 2).await?;
    assert_eq!(listed(&f, Filter { limit: usize::MAX, ..ALL }).await?, ids);
    Ok(())
}

pub(crate) async fn each_filter_narrows_the_choice(f: Fixture) -> Result<()> {
    let here = f.push(Task { name: Some("n".into()), payload: vec![1, 2, 3], ..task() }).await?;
    let there =
        f.push(Task { queue: "other".into(), name: Some("n".into()), payload: vec![1, 3], ..task() }).await?;
    let urgent = f.push(Task { priority: -1, ..task() }).await?;
    Hand::enlist(f.store()).await?.claim(1).await?;
    let (queue, name) = (|queue: &str| Some(queue.to_owned()), || Some("n".to_owned()));
    let running: Vec<TaskId> = listed(&f, Filter { state: Some(TaskState::Running), ..ALL }).await?;
    assert_eq!(running.len(), 1);
    assert_eq!(listed(&f, Filter { queue: queue("q"), ..ALL }).await?, [here, urgent]);
    assert_eq!(listed(&f, Filter { queue: queue("none"), ..ALL }).await?, []);
    assert_eq!(listed(&f, Filter { name: name(), ..ALL }).await?, [here, there]);
    assert_eq!(listed(&f, Filter { name: name(), queue: queue("other"), ..ALL }).await?, [there]);
    let prefix = |prefix: &[u8]| Filter { payload_prefix: Some(prefix.to_vec()), ..ALL };
    assert_eq!(listed(&f, prefix(&[1])).await?, [here, there]);
    assert_eq!(listed(&f, prefix(&[1, 2])).await?, [here]);
    assert_eq!(listed(&f, prefix(&[1, 2, 3, 4])).await?, []);
    assert_eq!(listed(&f, prefix(b"payload")).await?, [urgent]);
    Ok(())
}

pub(crate) async fn an_empty_prefix_lets_everything_through(f: Fixture) -> Result<()> {
    let empty = f.push(Task { payload: Vec::new(), ..task() }).await?;
    let full = f.push(task()).await?;
    assert_eq!(listed(&f, Filter { payload_prefix: Some(Vec::new()), ..ALL }).await?, [empty, full]);
    Ok(())
}

pub(crate) async fn a_prefix_may_be_any_bytes(f: Fixture) -> Result<()> {
    let id = f.push(Task { payload: vec![0, 0xff, b'%', b'_', b'\''], ..task() }).await?;
    f.push(Task { payload: vec![0, 0xff, b'x', b'y'], ..task() }).await?;
    let prefix = Some(vec![0, 0xff, b'%', b'_']);
    assert_eq!(listed(&f, Filter { payload_prefix: prefix, ..ALL }).await?, [id]);
    Ok(())
}

pub(crate) async fn counts_are_per_queue_and_state(f: Fixture) -> Result<()> {
    fill(&f, 3).await?;
    f.push(Task { queue: "a".into(), ..task() }).await?;
    let hand = Hand::enlist(f.store()).await?;
    let only = delay::store::Queues::Only(["q".to_owned()].into());
    let claims = hand.turn(Vec::new(), 2, only).await?.claims;
    hand.settle(&claims[0], Transition::Succeed(None)).await?;
    let count = |queue: &str, state, tasks| Count { queue: queue.to_owned(), state, tasks };
    let mut counts = f.store().counts().await?;
    counts.sort_by(|a, b| (&a.queue, a.state).cmp(&(&b.queue, b.state)));
    assert_eq!(
        counts,
        [
            count("a", TaskState::Ready, 1),
            count("q", TaskState::Ready, 1),
            count("q", TaskState::Running, 1),
            count("q", TaskState::Succeeded, 1),
        ]
    );
    Ok(())
}

pub(crate) async fn an_empty_store_has_nothing_to_show(f: Fixture) -> Result<()> {
    assert_eq!(f.store().counts().await?, []);
    assert_eq!(f.store().list(ALL).await?, []);
    assert_eq!(f.store().workers().await?, []);
    Ok(())
}

/// Ids that share all but their last byte: what two machines could make.
fn ids_of_one_moment() -> Vec<TaskId> {
    let id = *TaskId::new().as_bytes();
    let ids = (0..16).map(|i| {
        let mut bytes = id;
        bytes[15] = i * 3;
        TaskId::from_bytes(bytes)
    });
    ids.collect()
}

async fn page_by_page(f: &Fixture, order: Order, limit: usize) -> Result<Vec<TaskId>> {
    let (mut seen, mut beyond) = (Vec::new(), None);
    loop {
        let page = listed(f, Filter { order, beyond, limit, ..ALL }).await?;
        assert!(page.len() <= limit);
        let Some(last) = page.last() else { return Ok(seen) };
        beyond = Some(*last);
        seen.extend(page);
    }
}

pub(crate) async fn ids_of_one_moment_are_listed_in_their_order_too(f: Fixture) -> Result<()> {
    let ids = ids_of_one_moment();
    f.store().push(ids.iter().map(|id| Task { id: *id, ..task() }).collect()).await?;
    assert_eq!(listed(&f, ALL).await?, ids);
    assert_eq!(page_by_page(&f, Order::OldestFirst, 1).await?, ids);
    Ok(())
}

pub(crate) async fn ids_of_one_moment_are_each_on_one_page_whatever_order_they_came_in(
    f: Fixture,
) -> Result<()> {
    let ids = ids_of_one_moment();
    f.store().push(ids.iter().rev().map(|id| Task { id: *id, ..task() }).collect()).await?;
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let mut seen = page_by_page(&f, order, 3).await?;
        seen.sort();
        assert_eq!(seen, ids);
    }
    Ok(())
}
