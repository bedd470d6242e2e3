//! What is too large for one statement goes in several, and is all there or not at all.

use std::sync::{Arc, LazyLock};

use delay::store::postgres::{PostgresOptions, PostgresStore, Within};
use delay::store::{Pushed, Store};
use delay::tokio_postgres::{NoTls, connect};
use delay::{BoxError, Client, Context, Enqueue as _, Result, Runtime, Task, TaskId};
use delay_tests::postgres::{Schema, shared_url};
use delay_tests::{Hand, soon, task};
use tokio::sync::Barrier;

const MIB: usize = 1 << 20;

/// Counts the statements that insert tasks, and lets none in whose tag is `refused`.
const WATCH: &str = "CREATE TABLE counted(n int);
    CREATE FUNCTION count_one() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN EXECUTE format('INSERT INTO %I.counted VALUES (1)', tg_table_schema); RETURN NULL; END$$;
    CREATE TRIGGER counts AFTER INSERT ON task FOR EACH STATEMENT EXECUTE FUNCTION count_one();
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'refused'; END$$;
    CREATE TRIGGER refuses BEFORE INSERT ON task FOR EACH ROW WHEN (new.tag = 'refused') EXECUTE FUNCTION refuse()";

#[delay::func("file-away")]
async fn file_away(_ctx: &Context, page: String) {
    drop(page);
}

struct Watched {
    schema: Schema,
    store: Arc<dyn Store>,
}

impl Watched {
    async fn open() -> Result<Self> {
        let schema = Schema::fresh();
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(PostgresOptions::new(schema.url())).await?);
        schema.psql(WATCH);
        Ok(Self { schema, store })
    }

    /// How many statements have inserted since this was asked last.
    fn statements(&self) -> usize {
        let counted =
            self.schema.psql("WITH gone AS (DELETE FROM counted RETURNING n) SELECT count(*) FROM gone");
        counted.parse().expect("a number")
    }

    async fn there(&self, ids: &[TaskId]) -> Result<usize> {
        Ok(self.store.get(ids.to_vec()).await?.iter().flatten().count())
    }
}

fn large(count: usize) -> Vec<Task> {
    (0..count).map(|_| Task { payload: vec![7; MIB], ..task() }).collect()
}

fn ids(tasks: &[Task]) -> Vec<TaskId> {
    tasks.iter().map(|task| task.id).collect()
}

#[tokio::test]
async fn a_large_batch_is_several_statements() -> Result<(), BoxError> {
    let watched = Watched::open().await?;
    let batch = large(40);
    let ids = ids(&batch);
    assert_eq!(watched.store.push(batch.clone()).await?, [Pushed::Added; 40]);
    assert_eq!((watched.statements(), watched.there(&ids).await?), (3, 40));
    assert_eq!(watched.store.push(batch).await?, [Pushed::Added; 40], "each is there already");
    assert_eq!((watched.statements(), watched.there(&ids).await?), (0, 40));
    Ok(())
}

#[tokio::test]
async fn the_answers_of_a_large_batch_are_aligned_with_its_tasks() -> Result<(), BoxError> {
    let watched = Watched::open().await?;
    let mut batch = large(40);
    for twice in [3, 17, 39] {
        batch[twice].name = Some("once".into());
    }
    let first = batch[3].id;
    let pushed = watched.store.push(batch).await?;
    for (place, pushed) in pushed.into_iter().enumerate() {
        let expected = if [17, 39].contains(&place) { Pushed::NameTaken(first) } else { Pushed::Added };
        assert_eq!(pushed, expected, "task {place}");
    }
    assert_eq!(watched.statements(), 3);
    Ok(())
}

/// What may be there already is looked for first, and then added in portions as well.
#[tokio::test]
async fn the_answers_of_a_large_batch_that_is_tried_again_are_aligned_with_its_tasks() -> Result<(), BoxError>
{
    let watched = Watched::open().await?;
    let (holder, mut batch) = (Task { name: Some("once".into()), ..task() }, large(40));
    let taken = [3, 17, 20, 39];
    for place in taken {
        batch[place].name = Some("once".into());
    }
    let first = vec![batch[0].clone(), batch[25].clone()];
    watched.store.push([vec![holder.clone()], first].concat()).await?;
    watched.statements();
    for (place, pushed) in watched.store.push(batch).await?.into_iter().enumerate() {
        let expected = if taken.contains(&place) { Pushed::NameTaken(holder.id) } else { Pushed::Added };
        assert_eq!(pushed, expected, "task {place}");
    }
    assert_eq!(watched.statements(), 3);
    Ok(())
}

#[tokio::test]
async fn named_tasks_of_several_portions_are_each_answered() -> Result<(), BoxError> {
    let watched = Watched::open().await?;
    let holder = Task { name: Some("7".into()), ..task() };
    watched.store.push(vec![holder.clone()]).await?;
    watched.statements();
    let name = |place: usize| (place % 3 == 1).then(|| (place / 1000).to_string());
    let batch: Vec<Task> = (0..12_000).map(|place| Task { name: name(place), ..task() }).collect();
    let pushed = watched.store.push(batch.clone()).await?;
    assert_eq!(watched.statements(), 3);
    let mut holders = std::collections::HashMap::from([("7".to_owned(), holder.id)]);
    for (task, pushed) in batch.iter().zip(pushed) {
        let holder = task.name.clone().map(|name| *holders.entry(name).or_insert(task.id));
        let expected = match holder {
            Some(holder) if holder != task.id => Pushed::NameTaken(holder),
            _ => Pushed::Added,
        };
        assert_eq!(pushed, expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_batch_of_several_portions_runs_in_its_order() -> Result<(), BoxError> {
    let watched = Watched::open().await?;
    let name = |place: usize| (place % 2 == 1).then(|| (20_000 - place).to_string());
    let batch: Vec<Task> = (0..6000).map(|place| Task { name: name(place), ..task() }).collect();
    watched.store.push(batch.clone()).await?;
    let hand = Hand::enlist(&watched.store).await?;
    let claimed: Vec<TaskId> = hand.claim(6000).await?.iter().map(|claim| claim.fence.id).collect();
    assert!(claimed == ids(&batch), "they were claimed in another order");
    Ok(())
}

#[tokio::test]
async fn a_large_batch_of_which_one_cannot_be_added_leaves_nothing() -> Result<(), BoxError> {
    let watched = Watched::open().await?;
    let mut batch = large(40);
    batch[39].tag = Some("refused".into());
    let ids = ids(&batch);
    watched.store.push(batch).await.expect_err("the last one is refused");
    assert_eq!(watched.there(&ids).await?, 0);
    Ok(())
}

#[tokio::test]
async fn callers_whose_tasks_are_large_are_not_all_in_one_statement() -> Result<(), BoxError> {
    let watched = Watched::open().await?;
    let mut callers = tokio::task::JoinSet::new();
    for batch in std::iter::repeat_with(|| large(4)).take(20) {
        let store = Arc::clone(&watched.store);
        callers.spawn(async move { store.push(batch).await });
    }
    for pushed in callers.join_all().await {
        assert_eq!(pushed?, [Pushed::Added; 4]);
    }
    let statements = watched.statements();
    assert!((5..=20).contains(&statements), "{statements} statements for 80 MiB");
    Ok(())
}

#[tokio::test]
async fn a_large_batch_in_the_users_transaction_is_several_statements() -> Result<(), BoxError> {
    let watched = Watched::open().await?;
    let (mut db, connection) = connect(shared_url(), NoTls).await?;
    tokio::spawn(connection);
    let client = Client::open(&watched.schema.url()).await?;
    let page = "x".repeat(MIB - 1000);
    let holder = FileAway::task(String::new()).name("once").add(&client).await?.id();
    watched.statements();
    for commits in [false, true] {
        let tx = db.transaction().await?;
        let mut pages: Vec<_> = (0..39).map(|_| FileAway::task(page.clone())).collect();
        pages.push(FileAway::task(page.clone()).name("once"));
        let added = Within::schema(watched.schema.name(), &tx).add_all(pages).await?;
        let taken = added[39].as_ref().err().and_then(|error| error.task());
        assert_eq!((added.iter().filter(|added| added.is_ok()).count(), taken), (39, Some(holder)));
        if commits {
            tx.commit().await?
        } else {
            tx.rollback().await?
        }
        let tasks: u64 = client.store().counts().await?.iter().map(|count| count.tasks).sum();
        assert_eq!((tasks, watched.statements()), if commits { (40, 3) } else { (1, 0) });
    }
    Ok(())
}

/// Ends when all forty have begun.
#[delay::func("unfold", keep_result = "1h")]
async fn unfold(_ctx: &Context, nr: u64) -> String {
    static ALL: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(40));
    ALL.wait().await;
    format!("{nr} {}", "x".repeat(MIB - 1000))
}

#[tokio::test]
async fn values_that_are_too_large_for_one_turn_are_all_kept() -> Result<(), BoxError> {
    let watched = Watched::open().await?;
    let rt = Runtime::builder(watched.schema.url()).concurrency(40).build().await?;
    let added = rt.add_all((0..40).map(Unfold::task)).await?;
    rt.start().await?;
    for (nr, handle) in added.into_iter().enumerate() {
        let value = soon("a value", handle?.result()).await?;
        assert!(value == format!("{nr} {}", "x".repeat(MIB - 1000)), "value {nr} has {} bytes", value.len());
    }
    rt.stop().await?;
    Ok(())
}
