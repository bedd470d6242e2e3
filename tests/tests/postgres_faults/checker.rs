//! The checker notices what a Postgres store would do without its guards: faults are planted in front of a real one.

use std::sync::Arc;

use delay::store::postgres::{PostgresOptions, PostgresStore};
use delay::store::{Filter, Store, UpkeepRules};
use delay::{Result, Transition};
use delay_tests::history::{self, Fault, Journal, What, check};
use delay_tests::postgres::{Schema, Server};
use delay_tests::{Call, Hand, Lie, Lying, Orders, Place, Process, Recording, task};

use super::load::{CRASH_WORKER, drain, work};

/// A lying store, its history, and the truth behind it.
struct Liar {
    truth: Arc<dyn Store>,
    store: Arc<dyn Store>,
    place: Place,
    schema: Schema,
}

impl Liar {
    async fn open(lie: Lie) -> Result<Self> {
        let (schema, place) = (Schema::fresh(), Place::new());
        let truth: Arc<dyn Store> = Arc::new(PostgresStore::open(PostgresOptions::new(schema.url())).await?);
        let journal = Arc::new(Journal::open(&place.history()).expect("a history"));
        let store = Arc::new(Recording::new(Arc::new(Lying::new(Arc::clone(&truth), lie)), journal));
        Ok(Self { truth, store, place, schema })
    }

    async fn faults(self) -> Result<Vec<Fault>> {
        let records = self.truth.list(Filter { limit: 100, ..Filter::default() }).await?;
        self.truth.close().await?;
        Ok(check(&history::read(&self.place.history()), &records).err().unwrap_or_default())
    }
}

#[tokio::test]
async fn it_notices_that_the_fence_was_removed() -> Result<()> {
    let liar = Liar::open(Lie::IgnoresFences).await?;
    let given = task();
    liar.store.push(vec![given.clone()]).await?;
    let (slow, fast) = (Hand::enlist(&liar.store).await?, Hand::enlist(&liar.store).await?);
    let stale = slow.claim_one().await?;
    // The time of the first worker's lease has come.
    liar.schema.psql(&format!("UPDATE worker SET lease_until = 0 WHERE id = {}", slow.id.0));
    liar.store.upkeep(UpkeepRules::default()).await?;
    fast.claim_one().await?;
    fast.settle(&stale, Transition::Succeed(None)).await?;
    let faults = liar.faults().await?;
    assert!(faults.contains(&Fault::RanAgain(given.id, 1, 2)), "{faults:?}");
    Ok(())
}

#[tokio::test]
async fn it_notices_that_the_epoch_was_not_raised() -> Result<()> {
    let liar = Liar::open(Lie::ClaimsTwice).await?;
    let given = task();
    liar.store.push(vec![given.clone()]).await?;
    let hand = Hand::enlist(&liar.store).await?;
    hand.claim_one().await?;
    hand.claim_one().await?;
    let faults = liar.faults().await?;
    assert!(faults.contains(&Fault::EpochTwice(given.id, 1)), "{faults:?}");
    Ok(())
}

#[tokio::test]
async fn it_notices_that_tasks_were_acknowledged_before_the_commit() -> Result<()> {
    let faults =
        faults_after_a_kill(Lie::AcknowledgesEarly, |what| matches!(what, What::Pushed { .. })).await?;
    assert!(faults.len() == 5 && faults.iter().all(|fault| matches!(fault, Fault::Lost(_))), "{faults:?}");
    Ok(())
}

#[tokio::test]
async fn it_notices_that_ends_were_acknowledged_before_the_commit() -> Result<()> {
    let faults = faults_after_a_kill(Lie::ForgetsEnds, |what| matches!(what, What::Settled { .. })).await?;
    let again = faults.iter().filter(|fault| matches!(fault, Fault::RanAgain(_, 1, 2))).count();
    assert_eq!(again, 5, "{faults:?}");
    Ok(())
}

/// Adds tasks in a process whose store lies, kills it once it has told what `told` takes so often, and lets an honest
/// process do what is left.
async fn faults_after_a_kill(lie: Lie, told: fn(&What) -> bool) -> Result<Vec<Fault>> {
    let server = Server::start();
    let place = Place::on(server.url(""));
    let orders = Orders { add: vec![Call::Quick; 5], work: work(), lie: Some(lie), ..place.orders() };
    let mut liar = Process::start(CRASH_WORKER, &orders);
    let mut times = 0;
    liar.until("what the lie is about", |what| {
        times += usize::from(told(what));
        (times == 5).then_some(())
    });
    liar.kill();
    drain(&place).await?;
    Ok(check(&history::read(&place.history()), &place.records().await?).err().unwrap_or_default())
}
