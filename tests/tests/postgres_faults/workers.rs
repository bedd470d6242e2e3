//! Workers die, or hang past their leases, while the server lives.

use std::time::Instant;

use delay::Result;
use delay_tests::history::{self, Taken, What, check};
use delay_tests::postgres::Server;
use delay_tests::{Call, Orders, Place, Process, Signal};

use super::load::{CRASH_WORKER, Load, length, work};

#[tokio::test]
async fn of_three_workers_one_is_killed_again_and_again_and_nothing_is_lost() -> Result<()> {
    let server = Server::start();
    let mut load = Load::start(server.url(""), 3);
    let begin = Instant::now();
    let mut kills = 0;
    while begin.elapsed() < length() {
        load.progress(10);
        let next = load.another();
        let slot = load.dice.below(3) as usize;
        std::mem::replace(&mut load.processes[slot], next).kill();
        kills += 1;
    }
    let summary = load.finish().await?;
    println!("{kills} kills");
    assert!(kills >= 3 && summary.repeated > 0, "nothing was under way when they died: {summary:?}");
    Ok(())
}

/// Two processes have the same tasks under way: one hung past its lease and goes on, the other got them instead. Both
/// wait at their gates, and the first to come through is the one that must not count.
#[tokio::test]
async fn what_a_worker_does_that_hung_past_its_lease_does_not_count() -> Result<()> {
    const TASKS: usize = 8;
    let all_started = |process: &mut Process| {
        let mut started = 0;
        process.until("all have started", |what| {
            started += usize::from(matches!(what, What::Started { .. }));
            (started == TASKS).then_some(())
        });
    };
    let server = Server::start();
    // Whether the worker first tries to settle or first hears that its lease is lost is up to chance.
    for round in 1..=10 {
        let place = Place::on(server.url(&format!("schema=round{round}")));
        let add = vec![Call::Gate; TASKS];
        let mut hung = Process::start(CRASH_WORKER, &Orders { add, work: work(), ..place.orders() });
        all_started(&mut hung);
        hung.signal(Signal::STOP);
        let mut heir = Process::start(CRASH_WORKER, &Orders { work: work(), ..place.orders() });
        all_started(&mut heir);
        hung.open_gate();
        hung.signal(Signal::CONT);
        hung.signal(Signal::TERM);
        assert!(hung.end().success());
        heir.open_gate();
        place.drained().await?;
        heir.signal(Signal::TERM);
        assert!(heir.end().success());
        let summary = check(&history::read(&place.history()), &place.records().await?).expect("no fault");
        println!("{summary:?}");
        assert_eq!((summary.pushed, summary.ended), (TASKS, TASKS));
        if summary.refused > 0 {
            return Ok(());
        }
    }
    panic!("nothing old was ever tried: this proves nothing")
}

#[tokio::test]
async fn a_worker_that_hung_past_its_lease_comes_back_under_load() -> Result<()> {
    let server = Server::start();
    let mut load = Load::start(server.url("schema=own"), 3);
    let mut hung = load.processes.pop().expect("three");
    load.hung.push(hung.pid());
    let begin = Instant::now();
    while begin.elapsed() < length() {
        load.progress(10);
        hung.signal(Signal::STOP);
        // Its worker is dead to the others once its lease has run out.
        let alive = "SELECT count(*) FROM own.worker WHERE lease_until >= extract(epoch FROM clock_timestamp()) * 1e6";
        server.until("its lease has run out", &format!("({alive}) = 2"));
        load.progress(1);
        hung.signal(Signal::CONT);
        hung.forget();
        hung.until("an end that counts", |what| {
            matches!(what, What::Settled { taken: Taken::Applied, .. }).then_some(())
        });
    }
    load.processes.push(hung);
    load.finish().await.map(drop)
}
