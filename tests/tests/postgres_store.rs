//! What the Postgres store promises beyond what all stores do: plans, answers that get lost, schemas side by side,
//! versions side by side, partitions.

use std::sync::Arc;
use std::time::Duration;

use delay::store::postgres::{PostgresOptions, PostgresStore};
use delay::store::{Fence, Queues, Retention, Settled, Settlement, Store, Turn, UpkeepRules};
use delay::{BoxError, Clock, Result, Task, TaskState, Timestamp, Transition, VirtualClock};
use delay_tests::postgres::Schema;
use delay_tests::{Cutter, Hand, task};

async fn open(url: String) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(PostgresStore::open(PostgresOptions::new(url)).await?))
}

fn tasks(count: usize) -> Vec<Task> {
    (0..count).map(|_| task()).collect()
}

/// Claims and finishes everything.
async fn drain(hand: &Hand) -> Result<()> {
    let mut settle = Vec::new();
    loop {
        let claims = hand.turn(std::mem::take(&mut settle), 1000, Queues::All).await?.claims;
        if claims.is_empty() {
            return Ok(());
        }
        let end = |claim: &delay::store::Claim| Settlement {
            fence: claim.fence,
            transition: Transition::Succeed(None),
        };
        settle = claims.iter().map(end).collect();
    }
}

/// The lines of the node that walks an index, its own and those below it.
fn node<'a>(plan: &'a str, index: &str) -> Vec<&'a str> {
    let from = plan.lines().skip_while(|line| !line.contains(&format!("using {index} "))).collect::<Vec<_>>();
    assert!(!from.is_empty(), "{index} is not walked:\n{plan}");
    let rest = from[1..].iter().take_while(|line| !line.contains("->"));
    std::iter::once(from[0]).chain(rest.copied()).collect()
}

/// How many pages a node touched.
fn pages(node: &[&str]) -> usize {
    let line = node.iter().find(|line| line.contains("Buffers:")).copied().unwrap_or("");
    let counts = line.split(['=', ' ']).filter_map(|word| word.parse::<usize>().ok());
    counts.sum()
}

#[tokio::test]
async fn a_claim_walks_its_indexes_and_no_table() -> Result<(), BoxError> {
    let schema = Schema::fresh();
    let store = Arc::new(PostgresStore::open(PostgresOptions::new(schema.url())).await?);
    let shared: Arc<dyn Store> = Arc::clone(&store) as _;
    let hand = Hand::enlist(&shared).await?;
    store.push(tasks(2000)).await?;
    let plan = store.explain_claim(hand.id, 100).await?;
    node(&plan, "task_ready");
    node(&plan, "task_back");
    node(&plan, "task_id");
    assert!(plan.contains("Tid Scan on task"), "{plan}");
    assert!(!plan.contains("Seq Scan on task"), "{plan}");
    assert_eq!(hand.claim(3000).await?.len(), 2000, "to explain is not to claim");
    Ok(())
}

#[tokio::test]
async fn a_claim_passes_by_what_is_dead_while_somebody_holds_a_snapshot() -> Result<(), BoxError> {
    let schema = Schema::fresh();
    let clock = VirtualClock::new(Timestamp::from_micros(1_500_000_000_000_000));
    let options =
        || PostgresOptions { clock: Clock::Virtual(clock.clone()), ..PostgresOptions::new(schema.url()) };
    let store = Arc::new(PostgresStore::open(options()).await?);
    let shared: Arc<dyn Store> = Arc::clone(&store) as _;
    let hand = Hand::enlist(&shared).await?;
    let (holder, connection) =
        delay::tokio_postgres::connect(delay_tests::postgres::shared_url(), delay::tokio_postgres::NoTls)
            .await?;
    tokio::spawn(connection);
    holder.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class").await?;
    for _ in 0..5 {
        store.push(tasks(4000)).await?;
        drain(&hand).await?;
    }
    // Marks stay a little behind the clock.
    clock.advance(Duration::from_secs(1));
    hand.claim(1).await?;
    store.push(tasks(10)).await?;
    let plan = store.explain_claim(hand.id, 10).await?;
    let marked = pages(&node(&plan, "task_ready"));
    let stranger = PostgresStore::open(options()).await?;
    let unmarked = pages(&node(&stranger.explain_claim(hand.id, 10).await?, "task_ready"));
    assert!(
        unmarked > 400,
        "20,000 dead rows were to stand in the way of who has no marks: {unmarked} pages"
    );
    let most = plan.lines().map(|line| pages(&[line])).max().unwrap_or(0);
    assert!(most < 400, "nothing else of the claim may walk over the dead, {most} pages:\n{plan}");
    assert!(marked < 100, "{marked} pages for ten tasks:\n{plan}");
    Ok(())
}

#[tokio::test]
async fn who_stands_at_the_place_of_another_or_in_another_epoch_is_not_ended_for_it() -> Result<(), BoxError>
{
    let schema = Schema::fresh();
    let store = open(schema.url()).await?;
    let hand = Hand::enlist(&store).await?;
    store.push(tasks(2)).await?;
    let claims = hand.claim(2).await?;
    let (one, other) = (&claims[0], &claims[1]);
    let end = async |fence: Fence| {
        let settlement = Settlement { fence, transition: Transition::Succeed(None) };
        hand.turn(vec![settlement], 0, Queues::All).await.map(|turned| turned.settled[0])
    };
    assert_eq!(end(Fence { epoch: one.fence.epoch - 1, ..one.fence }).await?, Settled::Stale);
    let astray = Fence { row: other.fence.row, ..one.fence };
    assert_eq!(end(astray).await?, Settled::Applied, "it is found by its id");
    assert_eq!(end(one.fence).await?, Settled::Stale, "it has ended");
    assert_eq!(end(other.fence).await?, Settled::Applied, "it still ran");
    Ok(())
}

/// A store behind a wire that can be cut.
async fn behind_a_cutter(schema: &Schema) -> Result<(Arc<dyn Store>, Cutter), BoxError> {
    let url = schema.url_with("notify=off");
    let at = url.find("127.0.0.1:").ok_or("the shared server listens on a port of this machine")?;
    let port: String = url[at + 10..].chars().take_while(char::is_ascii_digit).collect();
    let cutter = Cutter::before(format!("127.0.0.1:{port}")).await;
    let through = url.replacen(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{}", cutter.port()), 1);
    Ok((open(through).await?, cutter))
}

#[tokio::test]
async fn what_a_turn_claimed_whose_answer_was_lost_comes_back() -> Result<(), BoxError> {
    let schema = Schema::fresh();
    let (store, cutter) = behind_a_cutter(&schema).await?;
    store.push(tasks(5)).await?;
    let hand = Hand::enlist(&store).await?;
    // Its statements are prepared: from here on one answer is one turn.
    hand.turn(Vec::new(), 0, Queues::All).await?;
    assert!(hand.turn(Vec::new(), 5, Queues::Only(["none".to_owned()].into())).await?.claims.is_empty());
    let first = hand.claim(1).await?;
    cutter.swallow(1);
    let lost = hand.claim(5).await;
    assert!(lost.as_ref().is_err_and(delay::Error::is_unavailable), "{lost:?}");
    let running = schema.psql("SELECT count(*) FROM task WHERE worker IS NOT NULL");
    let claims = hand.claim(5).await?;
    assert_eq!(claims.len(), 4, "the server had {running} running");
    assert!(claims.iter().all(|claim| claim.attempt == 1));
    assert_eq!(hand.settle(&first[0], Transition::Succeed(None)).await?, delay::store::Settled::Applied);
    for claim in &claims {
        assert_eq!(hand.settle(claim, Transition::Succeed(None)).await?, delay::store::Settled::Applied);
    }
    Ok(())
}

#[tokio::test]
async fn tasks_whose_acknowledgement_was_lost_are_there_once() -> Result<(), BoxError> {
    let schema = Schema::fresh();
    let (store, cutter) = behind_a_cutter(&schema).await?;
    store.push(tasks(1)).await?;
    cutter.swallow(1);
    let named = Task { name: Some("n".into()), ..task() };
    let mut batch = tasks(3);
    batch.push(named);
    let pushed = store.push(batch).await?;
    assert_eq!(pushed, [delay::store::Pushed::Added; 4]);
    assert_eq!(cutter.left(), 0);
    assert_eq!(store.counts().await?[0].tasks, 5);
    Ok(())
}

const MANY: usize = 1000;

#[tokio::test]
async fn a_large_batch_one_of_whose_ids_is_there_adds_the_others() -> Result<(), BoxError> {
    let schema = Schema::fresh();
    let store = open(schema.url()).await?;
    let batch: Vec<Task> = (0..MANY).map(|n| Task { payload: vec![n as u8; n % 300], ..task() }).collect();
    let there = batch[MANY / 2].id;
    schema.psql(&format!(
        "INSERT INTO task (id, place, priority, eta, created, queue, payload)
            VALUES ('{there}', 0, 0, 0, 0, 'q', 'the first')"
    ));
    assert_eq!(store.push(batch.clone()).await?, [delay::store::Pushed::Added; MANY]);
    for (task, record) in batch.iter().zip(store.get(batch.iter().map(|task| task.id).collect()).await?) {
        let record = record.ok_or("it is gone")?;
        let payload = if task.id == there { b"the first" } else { task.payload.as_slice() };
        assert_eq!(record.payload, payload);
    }
    Ok(())
}

#[tokio::test]
async fn a_large_batch_whose_acknowledgement_was_lost_is_there_once() -> Result<(), BoxError> {
    let schema = Schema::fresh();
    let (store, cutter) = behind_a_cutter(&schema).await?;
    store.push(tasks(MANY)).await?;
    let batch = tasks(MANY);
    // Another transaction has the last id, and may still give it up: the batch waits, when nearly all of it is there.
    let (mut holder, connection) =
        delay::tokio_postgres::connect(delay_tests::postgres::shared_url(), delay::tokio_postgres::NoTls)
            .await?;
    tokio::spawn(connection);
    let transaction = holder.transaction().await?;
    let last = batch[MANY - 1].id;
    transaction
        .batch_execute(&format!(
            "INSERT INTO {}.task (id, place, priority, eta, created, queue, payload)
                VALUES ('{last}', 0, 0, 0, 0, 'q', '')",
            schema.name()
        ))
        .await?;
    // The batch is one message, and what was asked before it is answered by then.
    let asks = cutter.asks(MANY * 16);
    let pushing = tokio::spawn(async move { (store.push(batch).await, store) });
    delay_tests::soon("the batch on its way", asks).await;
    cutter.swallow(1);
    transaction.rollback().await?;
    let (pushed, store) = pushing.await?;
    assert_eq!(cutter.left(), 0, "the acknowledgement came");
    assert_eq!(pushed?, [delay::store::Pushed::Added; MANY]);
    assert_eq!(store.counts().await?[0].tasks, 2 * MANY as u64);
    Ok(())
}

#[tokio::test]
async fn a_task_that_finished_before_its_acknowledgement_was_heard_does_not_run_again() -> Result<(), BoxError>
{
    let schema = Schema::fresh();
    let (store, cutter) = behind_a_cutter(&schema).await?;
    let direct = open(schema.url()).await?;
    let hand = Hand::enlist(&direct).await?;
    // The queue is known, the statement prepared: the first answer that is swallowed is that of the task's own commit.
    store.push(tasks(1)).await?;
    hand.finish_one().await?;
    cutter.swallow(usize::MAX);
    let pushing = tokio::spawn(async move { store.push(tasks(1)).await });
    let ran = delay_tests::soon("the task", async {
        loop {
            let claims = hand.claim(1).await?;
            if let Some(claim) = claims.into_iter().next() {
                return hand.settle(&claim, Transition::Succeed(None)).await;
            }
        }
    });
    assert_eq!(ran.await?, delay::store::Settled::Applied);
    cutter.swallow(0);
    assert_eq!(pushing.await??, [delay::store::Pushed::Added]);
    assert!(hand.claim(1).await?.is_empty(), "it runs twice");
    assert_eq!(direct.counts().await?[0].tasks, 2);
    Ok(())
}

#[tokio::test]
async fn schemas_in_one_database_know_nothing_of_each_other() -> Result<(), BoxError> {
    let (one, other) = (Schema::fresh(), Schema::fresh());
    let (one, other) = (open(one.url()).await?, open(other.url()).await?);
    let named = || Task { name: Some("n".into()), ..task() };
    one.push(vec![named()]).await?;
    assert_eq!(other.push(vec![named()]).await?, [delay::store::Pushed::Added]);
    let hand = Hand::enlist(&other).await?;
    assert_eq!(hand.claim(10).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn programs_that_open_a_new_schema_at_once_all_get_it() -> Result<(), BoxError> {
    for options in ["", "advisory_locks=off"] {
        let schema = Schema::fresh();
        let opening = (0..6).map(|_| tokio::spawn(open(schema.url_with(options))));
        for opened in opening.collect::<Vec<_>>() {
            opened.await??.push(tasks(1)).await?;
        }
        assert_eq!(open(schema.url()).await?.counts().await?[0].tasks, 6);
    }
    Ok(())
}

#[tokio::test]
async fn a_newer_schema_serves_an_older_program_if_it_says_so() -> Result<(), BoxError> {
    let schema = Schema::fresh();
    open(schema.url()).await?.close().await?;
    let version = || schema.psql("SELECT value FROM meta WHERE key = 'schema'").trim().parse::<i64>();
    let made = version()?;
    schema
        .psql("UPDATE meta SET value = value + 1 WHERE key = 'schema'; ALTER TABLE task ADD COLUMN news int");
    let store = open(schema.url()).await?;
    store.push(tasks(1)).await?;
    Hand::enlist(&store).await?.finish_one().await?;
    assert_eq!(version()?, made + 1, "nobody brings it back");
    schema.psql(&format!("UPDATE meta SET value = {} WHERE key = 'compatible'", made + 1));
    let error = open(schema.url()).await.err().ok_or("it was opened")?;
    assert!(error.is_newer_schema(), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_turn_of_a_worker_that_is_behind_in_versions_is_whole() -> Result<(), BoxError> {
    // A later version may add columns to what a turn reads and writes: each statement names its own.
    let schema = Schema::fresh();
    let store = open(schema.url()).await?;
    store.push(tasks(3)).await?;
    let hand = Hand::enlist(&store).await?;
    let claims = hand.claim(2).await?;
    schema.psql(
        "ALTER TABLE task ADD COLUMN news int NOT NULL DEFAULT 0; ALTER TABLE history ADD COLUMN news int",
    );
    for claim in &claims {
        assert_eq!(hand.settle(claim, Transition::Succeed(None)).await?, delay::store::Settled::Applied);
    }
    hand.finish_one().await?;
    assert_eq!(store.list(delay::store::Filter { limit: 10, ..Default::default() }).await?.len(), 3);
    Ok(())
}

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn history_is_kept_in_partitions_that_are_dropped() -> Result<(), BoxError> {
    let schema = Schema::fresh();
    let clock = VirtualClock::new(Timestamp::from_micros(1_500_000_000_000_000));
    let retention = Retention { succeeded: DAY, ..Retention::default() };
    let options = PostgresOptions {
        retention,
        clock: Clock::Virtual(clock.clone()),
        ..PostgresOptions::new(schema.url())
    };
    let store: Arc<dyn Store> = Arc::new(PostgresStore::open(options).await?);
    let day = |time: Timestamp| time.as_micros().div_euclid(86_400_000_000);
    let partitions = || {
        schema.psql("SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname ~ '^history_[0-9]'")
    };
    store.push(tasks(10)).await?;
    drain(&Hand::enlist(&store).await?).await?;
    let own = format!("history_{}", day(clock.now().after(DAY)));
    assert_eq!(schema.psql(&format!("SELECT count(*) FROM {own}")), "10");
    assert_eq!(schema.psql("SELECT count(*) FROM history_default"), "0");
    assert!(partitions().contains(&own));
    clock.advance(3 * DAY);
    let upkept = store.upkeep(UpkeepRules::default()).await?;
    assert_eq!(upkept.pruned, 10);
    store.upkeep(UpkeepRules::default()).await?;
    clock.advance(DAY);
    store.upkeep(UpkeepRules::default()).await?;
    assert!(!partitions().contains(&own), "{}", partitions());
    assert_eq!(store.counts().await?, []);
    let ahead = format!("history_{}", day(clock.now().after(DAY)) + 1);
    assert!(partitions().contains(&ahead), "there is no {ahead}: {}", partitions());
    Ok(())
}

#[tokio::test]
async fn what_went_to_the_default_partition_moves_when_its_day_is_made() -> Result<(), BoxError> {
    let schema = Schema::fresh();
    let clock = VirtualClock::new(Timestamp::from_micros(1_500_000_000_000_000));
    let options =
        PostgresOptions { clock: Clock::Virtual(clock.clone()), ..PostgresOptions::new(schema.url()) };
    let store: Arc<dyn Store> = Arc::new(PostgresStore::open(options).await?);
    let id = task().id;
    store.push(vec![Task { id, ..task() }]).await?;
    let hand = Hand::enlist(&store).await?;
    let claim = hand.claim_one().await?;
    let kept = delay::Kept { value: vec![7], keep: 10 * DAY };
    hand.settle(&claim, Transition::Succeed(Some(kept))).await?;
    assert_eq!(schema.psql("SELECT count(*) FROM history_default"), "1");
    clock.advance(9 * DAY);
    store.upkeep(UpkeepRules::default()).await?;
    assert_eq!(schema.psql("SELECT count(*) FROM history_default"), "0");
    let record = store.get(vec![id]).await?.remove(0).ok_or("it is gone")?;
    assert_eq!((record.state, record.result), (TaskState::Succeeded, Some(vec![7])));
    Ok(())
}

#[tokio::test]
async fn two_turns_of_one_worker_may_be_on_their_way_at_once() -> Result<(), BoxError> {
    let schema = Schema::fresh();
    let store = open(schema.url()).await?;
    assert_eq!(store.lanes(), 2);
    store.push(tasks(3000)).await?;
    let hand = Hand::enlist(&store).await?;
    let lane = async || {
        let (mut settle, mut ended) = (Vec::new(), 0);
        loop {
            let turn = Turn { worker: hand.id, settle, want: 100, queues: Queues::All };
            let turned = store.turn(turn).await?;
            ended +=
                turned.settled.iter().filter(|settled| **settled == delay::store::Settled::Applied).count();
            if turned.claims.is_empty() {
                return Ok::<_, delay::Error>(ended);
            }
            let end = |claim: delay::store::Claim| Settlement {
                fence: claim.fence,
                transition: Transition::Succeed(None),
            };
            settle = turned.claims.into_iter().map(end).collect();
        }
    };
    let (one, other) = tokio::try_join!(lane(), lane())?;
    assert_eq!(one + other, 3000);
    Ok(())
}
