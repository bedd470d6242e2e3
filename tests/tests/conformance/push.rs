//! Adding tasks.

use std::time::Duration;

use delay::store::{Pushed, TaskRecord};
use delay::{Due, Result, Task, TaskId, TaskState};
use delay_tests::{Fixture, Hand, task};

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) async fn a_pushed_task_is_ready_with_all_that_it_was_given(f: Fixture) -> Result<()> {
    let given = Task {
        queue: "mail".into(),
        name: Some("welcome-1".into()),
        priority: -7,
        tag: Some("ténant\0 42".into()),
        options: Some(vec![0, 255, 1]),
        payload: (0..=255).collect(),
        ..task()
    };
    let id = f.push(given.clone()).await?;
    let expected = TaskRecord {
        id,
        queue: "mail".into(),
        name: given.name,
        tag: given.tag,
        state: TaskState::Ready,
        priority: -7,
        eta: f.now(),
        attempt: 0,
        epoch: 0,
        crashes: 0,
        created: f.now(),
        finished: None,
        worker: None,
        hold: None,
        error: None,
        options: given.options,
        payload: given.payload,
        result: None,
    };
    assert_eq!(f.record(id).await?, expected);
    Ok(())
}

pub(crate) async fn a_delay_counts_from_the_stores_time_of_adding(f: Fixture) -> Result<()> {
    let id = f.push(Task { due: Due::In(HOUR), ..task() }).await?;
    let record = f.record(id).await?;
    assert_eq!((record.state, record.eta), (TaskState::Scheduled, f.now().after(HOUR)));
    Ok(())
}

pub(crate) async fn a_delay_of_zero_means_now(f: Fixture) -> Result<()> {
    let id = f.push(Task { due: Due::In(Duration::ZERO), ..task() }).await?;
    assert_eq!(f.record(id).await?.state, TaskState::Ready);
    Ok(())
}

pub(crate) async fn an_eta_is_kept_to_the_microsecond(f: Fixture) -> Result<()> {
    let eta = f.now().after(Duration::from_micros(1));
    let id = f.push(Task { due: Due::At(eta), ..task() }).await?;
    let record = f.record(id).await?;
    assert_eq!((record.state, record.eta), (TaskState::Scheduled, eta));
    Ok(())
}

pub(crate) async fn an_eta_that_has_passed_means_now(f: Fixture) -> Result<()> {
    let id = f.push(Task { due: Due::At(f.now().before(HOUR)), ..task() }).await?;
    let record = f.record(id).await?;
    assert_eq!((record.state, record.eta), (TaskState::Ready, f.now()));
    Ok(())
}

pub(crate) async fn a_delay_beyond_the_end_of_time_is_never_due(f: Fixture) -> Result<()> {
    let id = f.push(Task { due: Due::In(Duration::MAX), ..task() }).await?;
    let hand = Hand::enlist(f.store()).await?;
    f.advance(1000 * 365 * 24 * HOUR);
    assert!(hand.claim(1).await?.is_empty());
    assert_eq!(f.record(id).await?.state, TaskState::Scheduled);
    Ok(())
}

pub(crate) async fn adding_the_same_id_again_changes_nothing(f: Fixture) -> Result<()> {
    let first = task();
    let again = Task { id: first.id, priority: 9, payload: b"other".to_vec(), ..task() };
    f.push(first.clone()).await?;
    assert_eq!(f.store().push(vec![again]).await?, [Pushed::Added]);
    let record = f.record(first.id).await?;
    assert_eq!((record.priority, record.payload), (0, first.payload));
    assert_eq!(Hand::enlist(f.store()).await?.claim(10).await?.len(), 1);
    Ok(())
}

pub(crate) async fn adding_the_id_of_a_finished_task_does_not_run_it_again(f: Fixture) -> Result<()> {
    let first = task();
    f.push(first.clone()).await?;
    let hand = Hand::enlist(f.store()).await?;
    hand.finish_one().await?;
    assert_eq!(f.store().push(vec![first.clone()]).await?, [Pushed::Added]);
    assert_eq!(f.record(first.id).await?.state, TaskState::Succeeded);
    assert!(hand.claim(1).await?.is_empty());
    Ok(())
}

pub(crate) async fn adding_a_named_task_again_is_no_conflict_with_itself(f: Fixture) -> Result<()> {
    let named = Task { name: Some("n".into()), ..task() };
    f.push(named.clone()).await?;
    assert_eq!(f.store().push(vec![named]).await?, [Pushed::Added]);
    Ok(())
}

/// Otherwise the name would be taken for ever: a task ends, and gives its name up, once.
pub(crate) async fn adding_a_finished_task_again_does_not_take_its_name_again(f: Fixture) -> Result<()> {
    let named = Task { name: Some("n".into()), ..task() };
    f.push(named.clone()).await?;
    Hand::enlist(f.store()).await?.finish_one().await?;
    f.advance(Fixture::RETENTION.tombstone + Duration::from_secs(1));
    assert_eq!(f.store().push(vec![named]).await?, [Pushed::Added]);
    let next = Task { name: Some("n".into()), ..task() };
    assert_eq!(f.store().push(vec![next]).await?, [Pushed::Added]);
    Ok(())
}

pub(crate) async fn adding_a_known_id_under_another_name_takes_no_name(f: Fixture) -> Result<()> {
    let first = Task { name: Some("a".into()), ..task() };
    f.push(first.clone()).await?;
    let renamed = Task { name: Some("b".into()), ..first };
    assert_eq!(f.store().push(vec![renamed]).await?, [Pushed::Added]);
    let other = Task { name: Some("b".into()), ..task() };
    assert_eq!(f.store().push(vec![other]).await?, [Pushed::Added]);
    Ok(())
}

pub(crate) async fn adding_a_known_id_is_added_though_its_name_has_gone_to_another(f: Fixture) -> Result<()> {
    let first = Task { name: Some("n".into()), ..task() };
    f.push(first.clone()).await?;
    Hand::enlist(f.store()).await?.finish_one().await?;
    f.advance(Fixture::RETENTION.tombstone + Duration::from_secs(1));
    f.push(Task { name: Some("n".into()), ..task() }).await?;
    assert_eq!(f.store().push(vec![first]).await?, [Pushed::Added]);
    Ok(())
}

pub(crate) async fn the_answers_of_a_batch_are_aligned_with_its_tasks(f: Fixture) -> Result<()> {
    let holder = f.push(Task { name: Some("taken".into()), ..task() }).await?;
    let batch = vec![
        task(),
        Task { name: Some("taken".into()), ..task() },
        Task { name: Some("free".into()), ..task() },
        task(),
    ];
    let ids: Vec<_> = batch.iter().map(|task| task.id).collect();
    let pushed = f.store().push(batch).await?;
    assert_eq!(pushed, [Pushed::Added, Pushed::NameTaken(holder), Pushed::Added, Pushed::Added]);
    let there: Vec<bool> = f.store().get(ids).await?.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, false, true, true]);
    Ok(())
}

pub(crate) async fn a_batch_of_unlike_tasks_is_there_as_it_was_given(f: Fixture) -> Result<()> {
    let at = |due| Task { due, ..task() };
    let unnamed = [
        task(),
        Task { queue: "mail".into(), priority: -7, payload: Vec::new(), ..task() },
        Task { tag: Some("ténant\0 42".into()), options: Some(vec![0, 255, 1]), ..task() },
        at(Due::In(HOUR)),
        at(Due::In(Duration::ZERO)),
        at(Due::In(Duration::MAX)),
        at(Due::At(f.now().after(HOUR))),
        at(Due::At(f.now().before(HOUR))),
    ];
    let fresh = unnamed.clone().map(|given| Task { id: task().id, ..given });
    let named = fresh.into_iter().chain([Task { name: Some("welcome-1".into()), ..task() }]).collect();
    for batch in [unnamed.to_vec(), named] {
        assert!(f.store().push(batch.clone()).await?.iter().all(|pushed| *pushed == Pushed::Added));
        for given in batch {
            let record = f.record(given.id).await?;
            let eta = match given.due {
                Due::Now => f.now(),
                Due::In(delay) => f.now().after(delay),
                Due::At(time) => time.max(f.now()),
            };
            let state = if eta > f.now() { TaskState::Scheduled } else { TaskState::Ready };
            assert_eq!((record.eta, record.created, record.state), (eta, f.now(), state));
            assert_eq!((record.queue, record.priority), (given.queue.into_owned(), given.priority));
            assert_eq!((record.name, record.tag), (given.name, given.tag));
            assert_eq!((record.options, record.payload), (given.options, given.payload));
        }
    }
    Ok(())
}

pub(crate) async fn an_empty_batch_adds_nothing(f: Fixture) -> Result<()> {
    assert_eq!(f.store().push(Vec::new()).await?, []);
    assert_eq!(f.store().counts().await?, []);
    Ok(())
}

pub(crate) async fn a_batch_of_a_thousand_is_there_whole(f: Fixture) -> Result<()> {
    let batch: Vec<Task> = (0..1000).map(|_| task()).collect();
    let ids: Vec<_> = batch.iter().map(|task| task.id).collect();
    assert!(f.store().push(batch).await?.iter().all(|pushed| *pushed == Pushed::Added));
    assert!(f.store().get(ids).await?.iter().all(Option::is_some));
    Ok(())
}

pub(crate) async fn a_payload_of_one_mebibyte_comes_back_whole(f: Fixture) -> Result<()> {
    let payload: Vec<u8> = (0..1 << 20).map(|i: u32| (i * 7 / 3) as u8).collect();
    let id = f.push(Task { payload: payload.clone(), ..task() }).await?;
    assert!(f.record(id).await?.payload == payload);
    assert!(Hand::enlist(f.store()).await?.claim_one().await?.payload == payload);
    Ok(())
}

pub(crate) async fn an_empty_payload_comes_back_empty(f: Fixture) -> Result<()> {
    let id = f.push(Task { payload: Vec::new(), options: Some(Vec::new()), ..task() }).await?;
    let record = f.record(id).await?;
    assert_eq!((record.payload, record.options), (Vec::new(), Some(Vec::new())));
    assert!(Hand::enlist(f.store()).await?.claim_one().await?.payload.is_empty());
    Ok(())
}

pub(crate) async fn a_second_connection_sees_what_was_added(f: Fixture) -> Result<()> {
    let id = f.push(task()).await?;
    assert!(f.second().await?.get(vec![id]).await?[0].is_some());
    Ok(())
}

/// Ids of one millisecond that share all but their last byte: what two machines could make.
fn neighbours() -> impl Iterator<Item = TaskId> {
    let id = *TaskId::new().as_bytes();
    (0..16).map(move |i| {
        let mut bytes = id;
        bytes[15] = i * 3;
        TaskId::from_bytes(bytes)
    })
}

pub(crate) async fn ids_that_differ_in_their_last_byte_are_different_tasks(f: Fixture) -> Result<()> {
    let ids: Vec<TaskId> = neighbours().collect();
    for id in &ids {
        f.push(Task { id: *id, payload: id.as_bytes().to_vec(), ..task() }).await?;
    }
    for id in &ids {
        let record = f.record(*id).await?;
        assert_eq!((record.id, record.payload), (*id, id.as_bytes().to_vec()));
    }
    let hand = Hand::enlist(f.store()).await?;
    for _ in &ids {
        hand.finish_one().await?;
    }
    Ok(())
}

pub(crate) async fn an_id_added_again_stays_one_task_though_its_neighbours_went(f: Fixture) -> Result<()> {
    let ids: Vec<TaskId> = neighbours().collect();
    f.store().push(ids.iter().map(|id| Task { id: *id, ..task() }).collect()).await?;
    let (last, others) = ids.split_last().expect("there are some");
    f.store().act(delay::store::Action::Delete, others.to_vec()).await?;
    assert_eq!(f.store().push(vec![Task { id: *last, ..task() }]).await?, [Pushed::Added]);
    assert_eq!(f.store().counts().await?[0].tasks, 1);
    Ok(())
}

/// As many as a process makes whose clock has been set back, until the clock has caught up.
pub(crate) async fn more_ids_of_one_millisecond_than_a_counter_of_15_bits_can_all_be_added(
    f: Fixture,
) -> Result<()> {
    let template = u128::from_be_bytes(*TaskId::new().as_bytes()) & !(0xfff << 64) & !(0xff << 54);
    let ids = (0..33_000_u128).map(|count| {
        let bits = template | (count >> 8) << 64 | (count & 0xff) << 54;
        TaskId::from_bytes(bits.to_be_bytes())
    });
    let tasks: Vec<Task> = ids.map(|id| Task { id, payload: Vec::new(), ..task() }).collect();
    for batch in tasks.chunks(2000) {
        assert!(f.store().push(batch.to_vec()).await?.iter().all(|pushed| *pushed == Pushed::Added));
    }
    assert_eq!(f.store().counts().await?[0].tasks, 33_000);
    Ok(())
}
