//! Schedules over several processes on one file, some of which are killed.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use delay::store::{Filter, TaskRecord};
use delay::{Client, Result, TaskState};
use delay_tests::history::{self, What};
use delay_tests::{Place, Signal, soon};
use rustix::process::{Pid, kill_process};
use serde_json::Value;

const SCHEDULED: &str = env!("CARGO_BIN_EXE_scheduled");

/// A process that is killed with the test.
struct Program(Child);

impl Program {
    fn start(place: &Place) -> Self {
        let mut command = Command::new(SCHEDULED);
        let command = command.arg("work").arg(place.store()).arg(place.history()).stdout(Stdio::null());
        Self(command.spawn().expect("the program starts"))
    }

    /// In order: nothing that runs is interrupted.
    fn stop(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("it is there");
        assert!(self.0.wait().expect("its end").success());
    }

    fn kill(mut self) {
        assert!(self.0.try_wait().expect("its state").is_none(), "it ended by itself");
        // SIGKILL; dropping it does nothing else.
        self.0.kill().and_then(|()| self.0.wait()).expect("its end");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the store's ticks are so, watching the file.
async fn until(client: &Client, what: &str, enough: impl Fn(&[TaskRecord]) -> bool) -> Vec<TaskRecord> {
    let store = client.store();
    let mut signal = store.signals().subscribe();
    let look = async {
        loop {
            signal.mark_unchanged();
            let found = ticks(client).await;
            if enough(&found) {
                return found;
            }
            signal.changed().await.expect("the store is there");
        }
    };
    soon(what, look).await
}

async fn ticks(client: &Client) -> Vec<TaskRecord> {
    let filter = Filter { limit: usize::MAX, ..Filter::default() };
    let mut found = client.store().list(filter).await.expect("it can be listed");
    found.sort_by_key(|tick| tick.eta);
    found
}

fn done(ticks: &[TaskRecord]) -> usize {
    ticks.iter().filter(|tick| tick.state == TaskState::Succeeded).count()
}

fn seconds(tick: &TaskRecord) -> u64 {
    SystemTime::from(tick.eta).duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// How often each tick has run.
fn runs(place: &Place) -> BTreeMap<u64, usize> {
    let mut runs = BTreeMap::new();
    for event in history::read(&place.history()) {
        let What::Note { text } = event.what else { continue };
        let tick = text.strip_prefix("tick ").expect("there are no other notes");
        *runs.entry(tick.parse().expect("a number")).or_default() += 1;
    }
    runs
}

async fn client(place: &Place) -> Result<Client> {
    Client::open(format!("sqlite:{}", place.store().display())).await
}

#[tokio::test]
async fn three_processes_run_each_tick_once() -> Result<()> {
    let place = Place::new();
    let client = client(&place).await?;
    let programs = [(); 3].map(|()| Program::start(&place));
    until(&client, "the workers", |ticks| done(ticks) >= 1).await;
    let found = until(&client, "six more ticks", |ticks| done(ticks) >= 7).await;
    programs.into_iter().for_each(Program::stop);
    let runs = runs(&place);
    assert!(runs.len() >= 7 && runs.values().all(|times| *times == 1), "{runs:?}");
    let mut times: Vec<u64> = found.iter().map(seconds).collect();
    let all = times.len();
    times.dedup();
    assert_eq!(times.len(), all, "a tick was stored twice");
    Ok(())
}

#[tokio::test]
async fn what_waited_when_all_were_killed_runs_once_and_late_and_nothing_is_made_up_for() -> Result<()> {
    let (place, elsewhere) = (Place::new(), Place::new());
    // Time passes while nothing runs on this file: one that runs on another tells how far it is.
    let (client, clock) = (client(&place).await?, client(&elsewhere).await?);
    let _runs = Program::start(&elsewhere);
    for round in 1..=3 {
        let program = Program::start(&place);
        let before = done(&ticks(&client).await);
        until(&client, "two ticks", |ticks| done(ticks) >= before + 2).await;
        program.kill();
        let waited: Vec<u64> =
            ticks(&client).await.iter().filter(|tick| !tick.state.is_finished()).map(seconds).collect();
        assert!(!waited.is_empty(), "round {round}: the store holds the next tick at every moment");
        let last = *waited.last().expect("there is one");

        until(&clock, "two seconds without it", |ticks| {
            ticks.iter().any(|tick| tick.state == TaskState::Succeeded && seconds(tick) >= last + 2)
        })
        .await;
        let start = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();

        let program = Program::start(&place);
        let found = until(&client, "the next tick on time", |ticks| {
            ticks.iter().any(|tick| tick.state == TaskState::Succeeded && seconds(tick) > start)
        })
        .await;
        program.kill();
        let runs = runs(&place);
        for tick in &waited {
            let times = runs.get(tick).copied().unwrap_or_default();
            // A tick that was running when its process was killed has run twice.
            assert!((1..=2).contains(&times), "round {round}: {tick} ran {times} times");
        }
        let made_up: Vec<u64> =
            found.iter().map(seconds).filter(|tick| *tick > last && *tick < start).collect();
        assert!(made_up.is_empty(), "round {round}: {made_up:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_tool_shows_schedules_and_their_next_times() -> Result<()> {
    let place = Place::new();
    client(&place).await?.close().await?;
    let run = |args: &[&str]| {
        let url = format!("sqlite:{}", place.store().display());
        let output = Command::new(SCHEDULED).args(args).env("DELAY_STORE", url).output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("it is UTF-8")
    };
    let document: Value = serde_json::from_str(&run(&["functions", "--json"])).expect("JSON");
    let linked = &document["functions"][0]["linked"];
    assert_eq!(linked["cron"], serde_json::json!(["* * * * * *"]));
    assert_eq!(linked["time_zone"], "Europe/Berlin");
    assert!(linked["next"].as_str().is_some_and(|next| next.ends_with('Z')), "{linked}");
    let text = run(&["functions"]);
    assert!(text.contains("NEXT") && text.contains("* * * * * * (Europe/Berlin)"), "{text}");
    Ok(())
}
