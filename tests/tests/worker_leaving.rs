//! A worker that leaves settles what has ended, however much that is and whatever the store was like before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use delay::store::Filter;
use delay::{BoxError, Context, Enqueue as _, Runtime, TaskState};
use delay_tests::{Place, Refusing, open_store, soon};

/// How many have begun.
type Begun = Arc<AtomicUsize>;

#[delay::func("weigh", keep_result = "1h")]
async fn weigh(_ctx: &Context, #[state] begun: &Begun) -> String {
    begun.fetch_add(1, Ordering::AcqRel);
    "x".repeat(1_000_000)
}

/// Seven turns take so many.
const VALUES: usize = 100;

#[tokio::test]
async fn what_ended_while_the_store_was_away_is_settled_before_the_worker_leaves() -> Result<(), BoxError> {
    let place = Place::new();
    let store = Refusing::new(open_store(&place.url()).await?).await?;
    let begun = Begun::default();
    let rt =
        Runtime::on(Arc::clone(&store) as _).state(Arc::clone(&begun)).concurrency(VALUES).build().await?;
    rt.add_all((0..VALUES).map(|_| Weigh::task())).await?;
    rt.start().await?;
    // By then the worker waits for the better part of a second before it tries again.
    soon("refusals", store.refused().wait_for(|count| *count >= 6)).await?;
    assert_eq!(begun.load(Ordering::Acquire), VALUES);
    store.comes_back();
    soon("the stop", rt.stop()).await?;
    let left = open_store(&place.url()).await?;
    let records = left.list(Filter { limit: VALUES, ..Filter::default() }).await?;
    let ended = records.iter().filter(|record| record.state == TaskState::Succeeded);
    assert_eq!((ended.count(), begun.load(Ordering::Acquire)), (VALUES, VALUES));
    Ok(())
}
