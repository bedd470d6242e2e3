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

struct Office {
    place: Place,
    store: Arc<Refusing>,
    rt: Runtime,
    begun: Begun,
}

impl Office {
    /// A worker that has `values` to settle as soon as the store is back.
    async fn open(values: usize) -> Result<Self, BoxError> {
        let place = Place::new();
        let store = Refusing::new(open_store(&place.url()).await?).await?;
        let begun = Begun::default();
        let builder = Runtime::on(Arc::clone(&store) as _).state(Arc::clone(&begun)).concurrency(values);
        let rt = builder.build().await?;
        rt.add_all((0..values).map(|_| Weigh::task())).await?;
        rt.start().await?;
        Ok(Self { place, store, rt, begun })
    }

    async fn has_refused(&self, turns: usize) -> Result<(), BoxError> {
        soon("refusals", self.store.refused().wait_for(|count| *count >= turns)).await?;
        Ok(())
    }

    /// How many have succeeded, and how many had begun.
    async fn left(&self) -> Result<(usize, usize), BoxError> {
        let left = open_store(&self.place.url()).await?;
        let records = left.list(Filter { limit: VALUES, ..Filter::default() }).await?;
        let ended = records.iter().filter(|record| record.state == TaskState::Succeeded);
        Ok((ended.count(), self.begun.load(Ordering::Acquire)))
    }
}

#[tokio::test]
async fn what_ended_while_the_store_was_away_is_settled_before_the_worker_leaves() -> Result<(), BoxError> {
    let office = Office::open(VALUES).await?;
    // By then the worker waits for the better part of a second before it tries again.
    office.has_refused(6).await?;
    office.store.comes_back();
    soon("the stop", office.rt.stop()).await?;
    assert_eq!(office.left().await?, (VALUES, VALUES));
    Ok(())
}

#[tokio::test]
async fn a_worker_that_leaves_waits_for_the_store_to_come_back() -> Result<(), BoxError> {
    let office = Office::open(3).await?;
    office.has_refused(1).await?;
    let (stopped, came_back) = tokio::join!(soon("the stop", office.rt.stop()), async {
        office.has_refused(7).await?;
        office.store.comes_back();
        Ok::<_, BoxError>(())
    });
    stopped?;
    came_back?;
    assert_eq!(office.left().await?, (3, 3));
    Ok(())
}
