//! The proof of durability: processes under load are killed, again and again, and in the end nothing that a store has
//! acknowledged is lost, and nothing whose end it has acknowledged ran again.
//!
//! `DELAY_KILLS` sets how many; 200. The seed is printed, and `DELAY_SEED` sets it.

use std::time::{Duration, Instant};

use delay::Result;
use delay_tests::history::{self, What, check};
use delay_tests::{Dice, Orders, Place, Process, Signal, Work};

const CRASH_WORKER: &str = env!("CARGO_BIN_EXE_crash_worker");

#[tokio::test]
async fn kills_lose_nothing_and_repeat_nothing_that_was_acknowledged() -> Result<()> {
    let kills = std::env::var("DELAY_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(200);
    let (mut dice, place, began) = (Dice::for_this_run(), Place::new(), Instant::now());
    // Whose lock is lost, killed while it was about to take it or to tidy it up, is found dead by its lease.
    let work = || Some(Work { lease: Duration::from_secs(10), ..Work::default() });
    let start = |dice: &mut Dice| {
        let produce = Some(dice.number());
        Process::start(CRASH_WORKER, &Orders { produce, work: work(), ..place.orders() })
    };
    // Two at a time: what one leaves behind the other takes up while it dies itself.
    let mut processes = [start(&mut dice), start(&mut dice)];
    for _ in 0..kills {
        let slot = dice.below(2) as usize;
        let next = start(&mut dice);
        let mut victim = std::mem::replace(&mut processes[slot], next);
        victim.progress(1 + dice.below(150));
        spin(Duration::from_micros(dice.below(10_000)));
        let told = victim.kill();
        let trouble = told.iter().find(|event| matches!(&event.what, What::Note { text } if text != "open"));
        assert_eq!(trouble, None);
    }
    processes.into_iter().map(Process::kill).for_each(drop);
    let mut last = Process::start(CRASH_WORKER, &Orders { work: work(), ..place.orders() });
    last.until("it works", |what| matches!(what, What::Note { .. }).then_some(()));
    place.drained().await?;
    last.signal(Signal::TERM);
    assert!(last.end().success());

    let records = place.records().await?;
    let crashed = records.iter().filter(|record| record.crashes > 0).count();
    let summary = check(&history::read(&place.history()), &records).unwrap_or_else(|faults| {
        let shown: Vec<String> = faults.iter().take(20).map(ToString::to_string).collect();
        panic!("{} faults, such as:\n{}", faults.len(), shown.join("\n"))
    });
    println!("{kills} kills in {:?}, {crashed} tasks were under way: {summary:?}", began.elapsed());
    assert!(summary.pushed > kills && summary.ran > kills, "too little load to prove anything: {summary:?}");
    assert!(crashed > kills / 10, "too few tasks were under way to prove anything: {crashed}");
    Ok(())
}

/// Lets a random time pass, so that death comes at no special moment.
fn spin(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::thread::yield_now();
    }
}
