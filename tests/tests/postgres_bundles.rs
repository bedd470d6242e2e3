//! Plain successes are kept by the bundle: a row for many tasks, each of which is a task still.

use std::sync::Arc;

use delay::store::postgres::{PostgresOptions, PostgresStore};
use delay::store::{
    Acted, Action, Claim, Count, Filter, Order, Queues, Settled, Settlement, Store, UpkeepRules,
};
use delay::{BoxError, Clock, Result, Task, TaskId, TaskState, Timestamp, Transition, VirtualClock};
use delay_tests::postgres::Schema;
use delay_tests::{Fixture, Hand, task};

/// Milliseconds of ids that share a bucket.
const BUCKET: u64 = 256;

/// The `n`th id of those that are made in a millisecond.
fn id(millis: u64, n: u8) -> TaskId {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    (bytes[6], bytes[8], bytes[15]) = (0x70, 0x80, n);
    TaskId::from_bytes(bytes)
}

fn ids() -> Vec<TaskId> {
    (0..10).map(|n| id(1_750_000_000 * BUCKET + u64::from(n) / 5 * BUCKET, n)).collect()
}

struct Place {
    schema: Schema,
    clock: VirtualClock,
    store: Arc<dyn Store>,
}

impl Place {
    async fn open() -> Result<Self> {
        let schema = Schema::fresh();
        let clock = VirtualClock::new(Timestamp::from_micros(1_500_000_000_000_000));
        let options = PostgresOptions {
            clock: Clock::Virtual(clock.clone()),
            retention: Fixture::RETENTION,
            ..PostgresOptions::new(schema.url_with("bundle=3"))
        };
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(options).await?);
        store.push(ids().into_iter().map(|id| Task { id, ..task() }).collect()).await?;
        Ok(Self { schema, clock, store })
    }

    /// How many rows of bundles there are, how many tasks in them, and how many rows of history.
    fn rows(&self) -> String {
        self.schema.psql(
            "SELECT count(*) || ' ' || coalesce(sum(count), 0) || ' ' || (SELECT count(*) FROM history) FROM bundle",
        )
    }

    async fn list(&self, order: Order, beyond: Option<TaskId>, limit: usize) -> Result<Vec<TaskId>> {
        let filter = Filter { order, beyond, limit, ..Filter::default() };
        Ok(self.store.list(filter).await?.into_iter().map(|record| record.id).collect())
    }
}

fn success(claim: &Claim) -> Settlement {
    Settlement { fence: claim.fence, transition: Transition::Succeed(None) }
}

/// Claims all ten, fails the last, and lets the others succeed in the same turn.
async fn ten_end(place: &Place) -> Result<Hand> {
    let hand = Hand::enlist(&place.store).await?;
    let claims = hand.claim(10).await?;
    let mut settle: Vec<Settlement> = claims.iter().map(success).collect();
    settle[9].transition = Transition::Fail { error: "no".to_owned() };
    let settled = hand.turn(settle, 0, Queues::All).await?.settled;
    assert_eq!(settled, [Settled::Applied; 10]);
    Ok(hand)
}

#[tokio::test]
async fn the_plain_successes_of_a_turn_are_a_row_for_each_bucket() -> Result<(), BoxError> {
    let place = Place::open().await?;
    ten_end(&place).await?;
    assert_eq!(place.rows(), "2 9 1");
    let records = place.store.get(ids()).await?;
    for (record, id) in records.iter().zip(ids()) {
        let record = record.as_ref().ok_or("it is gone")?;
        let failed = id == ids()[9];
        assert_eq!(record.id, id);
        assert_eq!(record.state, if failed { TaskState::Failed } else { TaskState::Succeeded });
        assert_eq!((record.attempt, record.epoch, record.payload.clone()), (1, 1, task().payload));
        assert_eq!(record.finished, Some(place.clock.now()));
    }
    let count = |state, tasks| Count { queue: task().queue.to_string(), state, tasks };
    assert_eq!(place.store.counts().await?, [count(TaskState::Succeeded, 9), count(TaskState::Failed, 1)]);
    Ok(())
}

#[tokio::test]
async fn fewer_than_make_a_bundle_are_rows_of_history() -> Result<(), BoxError> {
    let place = Place::open().await?;
    let hand = Hand::enlist(&place.store).await?;
    let claims = hand.claim(2).await?;
    hand.turn(claims.iter().map(success).collect(), 0, Queues::All).await?;
    assert_eq!(place.rows(), "0 0 2");
    Ok(())
}

#[tokio::test]
async fn what_is_large_is_a_row_of_history_beside_the_bundle() -> Result<(), BoxError> {
    let place = Place::open().await?;
    let large = [
        Task { payload: vec![7; 5000], name: Some("report".into()), ..task() },
        Task { options: Some(vec![7; 5000]), ..task() },
    ];
    place.store.push(large.to_vec()).await?;
    let hand = Hand::enlist(&place.store).await?;
    let claims = hand.claim(12).await?;
    // One of the small ones fails once, with much to say.
    let error = "no ".repeat(2000);
    let retry = Transition::Retry { wait: Default::default(), error: error.clone() };
    hand.turn(vec![Settlement { fence: claims[0].fence, transition: retry }], 0, Queues::All).await?;
    let claims = [claims[1..].to_vec(), hand.claim(1).await?].concat();
    let settled = hand.turn(claims.iter().map(success).collect(), 0, Queues::All).await?.settled;
    assert_eq!(settled, [Settled::Applied; 12]);
    assert_eq!(place.rows(), "2 9 3");
    let records = place.store.get(vec![large[0].id, large[1].id, claims[11].fence.id]).await?;
    let records: Vec<_> = records.into_iter().map(|record| record.expect("it is kept")).collect();
    assert!(records.iter().all(|record| record.state == TaskState::Succeeded));
    assert_eq!((&records[0].payload, &records[1].options), (&large[0].payload, &large[1].options));
    assert_eq!(records[2].error.as_deref(), Some(&*error));
    Ok(())
}

#[tokio::test]
async fn a_walk_goes_through_bundles_history_and_what_waits_in_the_order_of_ids() -> Result<(), BoxError> {
    let place = Place::open().await?;
    let waiting = id(1_750_000_000 * BUCKET + 3, 200);
    ten_end(&place).await?;
    place.store.push(vec![Task { id: waiting, ..task() }]).await?;
    let mut all = ids();
    all.push(waiting);
    all.sort_unstable();
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let mut walked = Vec::new();
        loop {
            let page = place.list(order, walked.last().copied(), 3).await?;
            if page.is_empty() {
                break;
            }
            walked.extend(page);
        }
        assert_eq!(walked, all, "{order:?}");
        all.reverse();
    }
    Ok(())
}

#[tokio::test]
async fn one_of_a_bundle_is_deleted_and_the_others_stay() -> Result<(), BoxError> {
    let place = Place::open().await?;
    ten_end(&place).await?;
    let (gone, stay): (Vec<TaskId>, Vec<TaskId>) =
        (ids()[3..7].to_vec(), [&ids()[..3], &ids()[7..]].concat());
    assert_eq!(place.store.act(Action::Delete, gone.clone()).await?, [Acted::Done; 4]);
    assert_eq!(place.store.act(Action::Delete, gone.clone()).await?, [Acted::Unknown; 4]);
    assert_eq!(place.rows(), "2 5 1");
    assert_eq!(place.list(Order::OldestFirst, None, 100).await?, stay);
    assert!(place.store.get(gone.clone()).await?.iter().all(Option::is_none));
    // Its id is free.
    place.store.push(vec![Task { id: gone[0], ..task() }]).await?;
    let record = place.store.get(vec![gone[0]]).await?.remove(0).ok_or("it was not added")?;
    assert_eq!(record.state, TaskState::Ready);
    Ok(())
}

#[tokio::test]
async fn two_who_delete_from_one_bundle_both_do() -> Result<(), BoxError> {
    let place = Place::open().await?;
    ten_end(&place).await?;
    let delete = |id: TaskId| place.store.act(Action::Delete, vec![id]);
    let answers = tokio::join!(delete(ids()[0]), delete(ids()[1]), delete(ids()[2]), delete(ids()[3]));
    for answer in [answers.0?, answers.1?, answers.2?, answers.3?] {
        assert_eq!(answer, [Acted::Done]);
    }
    assert_eq!(place.rows(), "2 5 1");
    Ok(())
}

#[tokio::test]
async fn what_has_succeeded_is_not_retried() -> Result<(), BoxError> {
    let place = Place::open().await?;
    ten_end(&place).await?;
    let answer = place.store.act(Action::Retry, vec![ids()[0], ids()[9]]).await?;
    assert_eq!(answer, [Acted::Wrong(TaskState::Succeeded), Acted::Done]);
    assert_eq!(place.rows(), "2 9 0");
    Ok(())
}

#[tokio::test]
async fn bundles_expire_with_their_time_and_go_with_their_day() -> Result<(), BoxError> {
    let place = Place::open().await?;
    ten_end(&place).await?;
    let partitions = || {
        place.schema.psql(
            "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace \
             AND relname ~ '^bundle_[0-9]'",
        )
    };
    place.clock.advance(Fixture::RETENTION.succeeded - std::time::Duration::from_micros(1));
    assert_eq!(place.store.upkeep(UpkeepRules::default()).await?.pruned, 0);
    place.clock.advance(std::time::Duration::from_micros(1));
    assert_eq!(place.store.upkeep(UpkeepRules::default()).await?.pruned, 9);
    assert_eq!(place.list(Order::OldestFirst, None, 100).await?, [ids()[9]]);
    assert_eq!(place.rows(), "2 9 1", "rows go with their partition");
    let before: i64 = partitions().parse()?;
    for _ in 0..3 {
        place.clock.advance(std::time::Duration::from_secs(86_400));
        while place.store.upkeep(UpkeepRules::default()).await?.more {}
        place.store.upkeep(UpkeepRules::default()).await?;
    }
    assert_eq!(place.rows(), "0 0 0");
    assert!(partitions().parse::<i64>()? >= before, "and others are made ahead");
    Ok(())
}

#[tokio::test]
async fn a_task_that_is_added_again_after_it_has_ended_in_a_bundle_is_known() -> Result<(), BoxError> {
    let place = Place::open().await?;
    ten_end(&place).await?;
    // What was tried before is looked for: more than one statement takes, so that none is plain.
    let again: Vec<Task> = ids().into_iter().map(|id| Task { id, ..task() }).collect();
    let many: Vec<Task> = again.into_iter().chain((0..5000).map(|_| task())).collect();
    place.store.push(many).await?;
    let states: Vec<TaskState> =
        place.store.get(ids()).await?.into_iter().flatten().map(|record| record.state).collect();
    assert_eq!(states[..9], [TaskState::Succeeded; 9]);
    assert_eq!(place.schema.psql("SELECT count(*) FROM task"), "5000");
    Ok(())
}

/// A partition is made as a table of its own, and attached: nothing comes with that by itself.
#[tokio::test]
async fn partitions_are_stored_as_their_table_is() -> Result<(), BoxError> {
    let place = Place::open().await?;
    place.store.upkeep(UpkeepRules::default()).await?;
    let stored = "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relname LIKE 'bundle%' AND a.attname = 'tasks'";
    let kinds = place.schema.psql(&format!("SELECT count(DISTINCT (attstorage, attcompression)) {stored}"));
    let tables = place.schema.psql(&format!("SELECT count(*) > 2 {stored}"));
    assert_eq!((kinds.as_str(), tables.as_str()), ("1", "t"));
    Ok(())
}
