//! Processes that add tasks and run them, and what is looked at when they are done.

use std::time::{Duration, Instant};

use delay::Result;
use delay_tests::history::{self, Summary, Taken, What, check_with_hung};
use delay_tests::{Dice, Orders, Place, Process, Signal, Work};

pub(super) const CRASH_WORKER: &str = env!("CARGO_BIN_EXE_crash_worker");

/// The lease of every worker here: so short that tests live to see it run out.
const LEASE: Duration = Duration::from_secs(2);

/// How long a fault is kept up.
pub(super) fn length() -> Duration {
    let seconds = std::env::var("DELAY_FAULT_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(10))
}

pub(super) fn work() -> Option<Work> {
    // The grace is short: what runs here ends at once, unless it waits for a store that does not come back.
    Some(Work { lease: LEASE, grace: Duration::from_secs(10), ..Work::default() })
}

/// Several processes, each of which adds tasks and runs whatever is there.
pub(super) struct Load {
    pub(super) place: Place,
    pub(super) processes: Vec<Process>,
    /// Those that were stopped for a while.
    pub(super) hung: Vec<u32>,
    pub(super) dice: Dice,
}

impl Load {
    pub(super) fn start(url: String, processes: usize) -> Self {
        let (place, dice) = (Place::on(url), Dice::for_this_run());
        let mut load = Self { place, processes: Vec::new(), hung: Vec::new(), dice };
        // The first makes the tables; the others find them.
        for _ in 0..processes {
            let process = load.another();
            load.processes.push(process);
        }
        load
    }

    /// One more process, which has begun.
    pub(super) fn another(&mut self) -> Process {
        let produce = Some(self.dice.number());
        let mut process =
            Process::start(CRASH_WORKER, &Orders { produce, work: work(), ..self.place.orders() });
        process.until("it begins", |what| matches!(what, What::Note { .. }).then_some(()));
        process
    }

    /// Waits until each process has added tasks and ended some, so often, from now on. Gives how long that took.
    pub(super) fn progress(&mut self, times: usize) -> Duration {
        let begin = Instant::now();
        for process in &mut self.processes {
            process.forget();
            let (mut pushed, mut ended) = (0, 0);
            process.until("tasks that are added and ended", |what| {
                pushed += usize::from(matches!(what, What::Pushed { .. }));
                ended += usize::from(matches!(what, What::Settled { taken: Taken::Applied, .. }));
                (pushed >= times && ended >= times).then_some(())
            });
        }
        begin.elapsed()
    }

    /// Ends the load, lets one more process do what is left, and has the checker look at all of it.
    pub(super) async fn finish(self) -> Result<Summary> {
        for mut process in self.processes {
            process.signal(Signal::TERM);
            assert!(process.end().success(), "{:?}", process.seen().last());
        }
        drain(&self.place).await?;
        let events = history::read(&self.place.history());
        let trouble = events
            .iter()
            .find(|event| matches!(&event.what, What::Note { text } if text.starts_with("trouble")));
        assert_eq!(trouble, None, "a producer has given up");
        let checked = check_with_hung(&events, &self.place.records().await?, &self.hung);
        let summary = checked.unwrap_or_else(|faults| {
            let shown: Vec<String> = faults.iter().take(20).map(ToString::to_string).collect();
            panic!("{} faults, such as:\n{}", faults.len(), shown.join("\n"))
        });
        println!("{summary:?}");
        assert!(
            summary.pushed > 100 && summary.ended > 100,
            "too little load to prove anything: {summary:?}"
        );
        Ok(summary)
    }
}

/// Has one more process do all that is left.
pub(super) async fn drain(place: &Place) -> Result<()> {
    let mut last = Process::start(CRASH_WORKER, &Orders { work: work(), ..place.orders() });
    last.until("it begins", |what| matches!(what, What::Note { .. }).then_some(()));
    place.drained().await?;
    last.signal(Signal::TERM);
    assert!(last.end().success());
    Ok(())
}
