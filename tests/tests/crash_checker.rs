//! The checker of histories notices each promise that is broken. Stores that lie are asked as honest ones are, in this
//! process and in processes that are killed.

use std::sync::Arc;

use delay::store::{Settled, Store, TaskRecord, UpkeepRules};
use delay::{Result, TaskId, TaskState, Transition};
use delay_tests::history::{self, End, Event, Fault, Id, Journal, Taken, What, check, check_with_hung};
use delay_tests::{
    Call, Fixture, Hand, LEASE, Lie, Lying, Memory, Orders, Place, Process, Recording, Work, task,
};

const CRASH_WORKER: &str = env!("CARGO_BIN_EXE_crash_worker");

/// A task's whole life, and what the store shows in the end.
struct Life {
    id: TaskId,
    events: Vec<Event>,
    record: TaskRecord,
}

/// Handed out in process 1 and lost with it, then done by process 2.
async fn a_clean_life() -> Result<Life> {
    let f = Fixture::open(Memory::fresh).await?;
    let id = f.push(task()).await?;
    Hand::enlist(f.store()).await?.claim_one().await?;
    f.advance(2 * LEASE);
    f.store().upkeep(UpkeepRules::default()).await?;
    Hand::enlist(f.store()).await?.finish_one().await?;
    let (known, end, taken) = (Id(id), End::Succeeded, Taken::Applied);
    let what = [
        (1, What::Pushed { id: known }),
        (1, What::Claimed { id: known, epoch: 1 }),
        (1, What::Started { id: known, attempt: 1 }),
        (1, What::Ran { id: known }),
        (2, What::Claimed { id: known, epoch: 2 }),
        (2, What::Started { id: known, attempt: 1 }),
        (2, What::Ran { id: known }),
        (2, What::Settled { id: known, epoch: 2, end, taken }),
        (1, What::Settled { id: known, epoch: 1, end, taken: Taken::Stale }),
    ];
    let events = what.into_iter().map(|(pid, what)| Event { pid, what }).collect();
    Ok(Life { id, events, record: f.record(id).await? })
}

impl Life {
    /// The one fault of this life.
    fn fault(&self) -> Fault {
        let faults = check(&self.events, std::slice::from_ref(&self.record)).expect_err("a fault");
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].clone()
    }

    fn event(&mut self, pid: u32, what: What) {
        self.events.push(Event { pid, what });
    }

    fn settled(&mut self, pid: u32, epoch: i64, end: End) {
        let id = Id(self.id);
        self.event(pid, What::Settled { id, epoch, end, taken: Taken::Applied });
    }
}

#[test]
fn half_a_line_of_who_was_killed_hides_nothing_of_the_others() {
    let place = Place::new();
    let note = |text: &str| What::Note { text: text.to_owned() };
    let write = |text| Journal::open(&place.history()).expect("a history").write([note(text)]);
    write("before");
    let whole = std::fs::read(place.history()).expect("it is there");
    std::fs::write(place.history(), [&*whole, &whole[..whole.len() - 9]].concat()).expect("it is written");
    write("after");
    let events: Vec<What> = history::read(&place.history()).into_iter().map(|event| event.what).collect();
    assert_eq!(events, [note("before"), note("after")]);
}

#[tokio::test]
async fn the_checker_is_content_with_a_clean_history() -> Result<()> {
    let life = a_clean_life().await?;
    let summary = check(&life.events, &[life.record]).expect("no fault");
    assert_eq!((summary.pushed, summary.claimed, summary.ran), (1, 2, 2));
    assert_eq!((summary.ended, summary.repeated, summary.refused), (1, 1, 1));
    Ok(())
}

#[tokio::test]
async fn the_checker_notices_a_task_that_is_lost() -> Result<()> {
    let mut life = a_clean_life().await?;
    let faults = check(&life.events, &[]).expect_err("it is lost");
    assert_eq!(faults, [Fault::Lost(life.id)]);
    life.events.retain(|event| !matches!(event.what, What::Pushed { .. }));
    check(&life.events, &[]).expect("what was not acknowledged may be missing");
    Ok(())
}

#[tokio::test]
async fn the_checker_notices_a_task_that_did_not_end() -> Result<()> {
    let mut life = a_clean_life().await?;
    life.events.truncate(4);
    life.record.state = TaskState::Ready;
    assert_eq!(life.fault(), Fault::Unfinished(life.id, TaskState::Ready));
    Ok(())
}

#[tokio::test]
async fn the_checker_notices_an_end_that_is_lost() -> Result<()> {
    let mut life = a_clean_life().await?;
    life.record.epoch = 1;
    assert_eq!(life.fault(), Fault::EndLost(life.id, 2));
    Ok(())
}

#[tokio::test]
async fn the_checker_notices_a_task_handed_out_after_its_end() -> Result<()> {
    let mut life = a_clean_life().await?;
    life.event(3, What::Claimed { id: Id(life.id), epoch: 3 });
    assert_eq!(life.fault(), Fault::RanAgain(life.id, 2, 3));
    Ok(())
}

#[tokio::test]
async fn the_checker_notices_a_stale_end_that_was_taken() -> Result<()> {
    let mut life = a_clean_life().await?;
    life.settled(1, 1, End::Finished);
    let faults = check(&life.events, &[life.record]).expect_err("it was taken");
    assert!(faults.contains(&Fault::EndedTwice(life.id, 2, 1)), "{faults:?}");
    Ok(())
}

#[tokio::test]
async fn the_checker_notices_an_end_from_somebody_elses_process() -> Result<()> {
    let mut life = a_clean_life().await?;
    life.settled(7, 1, End::Again);
    assert_eq!(life.fault(), Fault::NotTheirs(life.id, 1));
    Ok(())
}

#[tokio::test]
async fn the_checker_notices_epochs_that_do_not_rise() -> Result<()> {
    let mut life = a_clean_life().await?;
    life.event(1, What::Claimed { id: Id(life.id), epoch: 0 });
    assert_eq!(life.fault(), Fault::EpochFell(life.id, 2, 0));
    Ok(())
}

#[tokio::test]
async fn the_checker_does_not_take_a_late_line_of_a_stopped_process_for_a_fault() -> Result<()> {
    let mut life = a_clean_life().await?;
    let late = life.events.remove(1);
    life.events.push(late);
    let records = [life.record];
    check(&life.events, &records).expect_err("the line is late");
    check_with_hung(&life.events, &records, &[1]).expect("process 1 was stopped before it wrote the line");
    check_with_hung(&life.events, &records, &[2]).expect("then process 1 wrote in time and process 2 late");
    Ok(())
}

#[tokio::test]
async fn the_checker_notices_epochs_of_a_stopped_process_that_do_not_rise() -> Result<()> {
    let mut life = a_clean_life().await?;
    life.event(2, What::Claimed { id: Id(life.id), epoch: 0 });
    let faults = check_with_hung(&life.events, &[life.record], &[2]).expect_err("its own claims fall");
    assert_eq!(faults, [Fault::EpochFell(life.id, 2, 0)]);
    Ok(())
}

#[tokio::test]
async fn the_checker_notices_an_epoch_that_was_handed_out_twice() -> Result<()> {
    let mut life = a_clean_life().await?;
    life.event(1, What::Claimed { id: Id(life.id), epoch: 2 });
    assert_eq!(life.fault(), Fault::EpochTwice(life.id, 2));
    Ok(())
}

#[tokio::test]
async fn the_checker_notices_a_success_without_a_run() -> Result<()> {
    let mut life = a_clean_life().await?;
    life.events.retain(|event| !(event.pid == 2 && matches!(event.what, What::Ran { .. })));
    assert_eq!(life.fault(), Fault::NeverRan(life.id));
    Ok(())
}

/// A store in memory that lies, and its history.
struct Liar {
    f: Fixture,
    store: Arc<dyn Store>,
    place: Place,
}

impl Liar {
    async fn open(lie: Lie) -> Result<Self> {
        let (f, place) = (Fixture::open(Memory::fresh).await?, Place::new());
        let journal = Arc::new(Journal::open(&place.history()).expect("a history"));
        let store = Arc::new(Recording::new(Arc::new(Lying::new(Arc::clone(f.store()), lie)), journal));
        Ok(Self { f, store, place })
    }

    async fn faults(&self) -> Result<Vec<Fault>> {
        let records = self.f.store().list(delay::store::Filter { limit: 100, ..Default::default() }).await?;
        Ok(check(&history::read(&self.place.history()), &records).err().unwrap_or_default())
    }
}

#[tokio::test]
async fn the_checker_notices_a_store_that_ignores_fences() -> Result<()> {
    let liar = Liar::open(Lie::IgnoresFences).await?;
    let given = task();
    liar.store.push(vec![given.clone()]).await?;
    let (slow, fast) = (Hand::enlist(&liar.store).await?, Hand::enlist(&liar.store).await?);
    let stale = slow.claim_one().await?;
    liar.f.advance(LEASE / 2);
    liar.store.beat(fast.id).await?;
    liar.f.advance(LEASE);
    liar.store.upkeep(UpkeepRules::default()).await?;
    fast.claim_one().await?;
    let settled = fast.settle(&stale, Transition::Succeed(None)).await?;
    assert_eq!(settled, Settled::Applied, "this is the lie");
    let faults = liar.faults().await?;
    assert!(faults.contains(&Fault::RanAgain(given.id, 1, 2)), "{faults:?}");
    Ok(())
}

#[tokio::test]
async fn the_checker_notices_a_store_that_hands_claims_out_twice() -> Result<()> {
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

/// Adds tasks in a process whose store lies, kills it once it has told what `told` takes so often, and lets an honest
/// process do what is left.
async fn faults_after_a_kill(lie: Lie, told: fn(&What) -> bool) -> Result<Vec<Fault>> {
    let place = Place::new();
    let (add, work) = (vec![Call::Quick; 5], Some(Work::default()));
    let mut liar = Process::start(CRASH_WORKER, &Orders { add, work, lie: Some(lie), ..place.orders() });
    let mut times = 0;
    liar.until("what the lie is about", |what| {
        times += usize::from(told(what));
        (times == 5).then_some(())
    });
    liar.kill();
    let mut honest = Process::start(CRASH_WORKER, &Orders { work: Some(Work::default()), ..place.orders() });
    honest.until("it works", |what| matches!(what, What::Note { .. }).then_some(()));
    place.drained().await?;
    honest.signal(delay_tests::Signal::TERM);
    assert!(honest.end().success());
    Ok(check(&history::read(&place.history()), &place.records().await?).err().unwrap_or_default())
}

#[tokio::test]
async fn the_checker_notices_tasks_that_were_acknowledged_before_they_were_stored() -> Result<()> {
    let told = |what: &What| matches!(what, What::Pushed { .. });
    let faults = faults_after_a_kill(Lie::AcknowledgesEarly, told).await?;
    assert!(faults.len() == 5 && faults.iter().all(|fault| matches!(fault, Fault::Lost(_))), "{faults:?}");
    Ok(())
}

#[tokio::test]
async fn the_checker_notices_ends_that_were_acknowledged_and_forgotten() -> Result<()> {
    let told = |what: &What| matches!(what, What::Settled { .. });
    let faults = faults_after_a_kill(Lie::ForgetsEnds, told).await?;
    let again = faults.iter().filter(|fault| matches!(fault, Fault::RanAgain(_, 1, 2))).count();
    assert_eq!(again, 5, "{faults:?}");
    Ok(())
}
