//! What a stopper tells: counts by name, logs while it waits, who lives and who was forgotten.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::recorder::Recorder;
use crate::stopper::{Life, Stopper, StopperReport, leaked_stoppers, live_stoppers};

#[test]
fn running_tasks_are_counted_by_name_and_site_and_print_largest_first() {
    let stopper = Stopper::new();
    let here = |name| stopper.admit(name).expect("admitted");
    let held = [here("rare"), here("common"), here("common"), here("also rare")];
    let elsewhere = stopper.admit("common").expect("admitted");

    let running = stopper.running_tasks();
    assert_eq!(running.total(), 5);
    assert_eq!(running.count("common"), 3, "over both call sites");
    let rows: Vec<_> = running.iter().map(|row| (row.count, row.name)).collect();
    assert_eq!(rows, [(2, "common"), (1, "also rare"), (1, "common"), (1, "rare")]);
    let lines = format!("{running:#}");
    assert_eq!(lines.lines().count(), 4);
    assert!(lines.starts_with("2 x common (") && lines.contains("reports.rs:"), "{lines}");

    drop((held, elsewhere));
    assert!(stopper.running_tasks().is_empty());
}

#[test]
fn counts_of_many_threads_and_names_add_up() {
    const NAMES: [&str; 3] = ["a", "b", "c"];
    let stopper = Stopper::new();
    let admissions: Vec<_> = std::thread::scope(|scope| {
        let admit = || NAMES.map(|name| stopper.admit(name).expect("admitted"));
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(admit)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    for name in NAMES {
        assert_eq!(stopper.running_tasks().count(name), 16);
    }
    assert_eq!(stopper.num_tasks(), admissions.len());
    drop(admissions);
    assert_eq!(stopper.num_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_it_quiesces_it_says_every_5_s_for_which_tasks_it_waits() {
    let (recorder, _recording) = Recorder::start();
    let (stopper, began) = (Stopper::builder().name("mail").build(), Instant::now());
    let (end, ended) = oneshot::channel::<()>();
    stopper.run_async_task("send", ended).expect("admitted");

    let quiesce = tokio::spawn({
        let stopper = stopper.clone();
        async move { stopper.quiesce().await }
    });
    for turn in 1..=2 {
        recorder.message().await;
        assert_eq!(began.elapsed(), turn * Duration::from_secs(5));
    }
    end.send(()).expect("the task listens");
    quiesce.await.expect("quiesced");

    let messages = recorder.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    for message in messages {
        assert!(message.starts_with("quiescing waits for tasks (1): 1 x send ("), "{message}");
    }
    stopper.stop().await;
}

/// The reports of stoppers by this name; others of this process are none of a test's business.
fn named(reports: Vec<StopperReport>, name: &str) -> Vec<StopperReport> {
    reports.into_iter().filter(|report| report.name == name).collect()
}

#[tokio::test]
async fn live_stoppers_are_listed_with_what_runs_until_they_are_stopped() {
    let stopper = Stopper::builder().name("listed").build();
    let admission = stopper.admit("task").expect("admitted");
    stopper.run_worker("worker", stopper.stopping()).expect("admitted");

    let [report] = named(live_stoppers(), "listed").try_into().expect("one");
    assert_eq!(
        (report.life, report.tasks.count("task"), report.workers.count("worker")),
        (Life::Running, 1, 1)
    );
    assert!(report.created.file().ends_with("reports.rs"));
    let text = report.to_string();
    assert!(
        text.starts_with("stopper listed (") && text.contains("): running; tasks (1): 1 x task ("),
        "{text}"
    );
    assert!(text.contains("; workers (1): 1 x worker ("), "{text}");
    assert_eq!(stopper.to_string(), text);

    drop(admission);
    stopper.stop().await;
    assert!(named(live_stoppers(), "listed").is_empty());
    assert_eq!(stopper.report().life, Life::Stopped);
}

#[tokio::test]
async fn stoppers_that_were_never_stopped_are_found_by_where_they_were_made() {
    let kept = Stopper::builder().name("leaked").build();
    let line = line!() - 1;
    for _ in 0..3 {
        drop(Stopper::builder().name("leaked").build());
    }
    Stopper::builder().name("leaked").build().stop().await;

    let mut lines: Vec<_> = named(leaked_stoppers(), "leaked").iter().map(|it| it.created.line()).collect();
    lines.sort_unstable();
    assert_eq!(lines, [line, line + 3], "the kept one, and one for the place of those dropped");
    kept.stop().await;
    assert_eq!(named(leaked_stoppers(), "leaked").len(), 1);
}

#[test]
fn closers_that_are_dropped_without_a_stop_are_complained_of() {
    let (recorder, _recording) = Recorder::start();
    let stopper = Stopper::new();
    stopper.add_closer(|| unreachable!("never stopped"));
    drop(stopper);
    let messages = recorder.messages();
    assert!(messages.iter().any(|message| message.contains("closers that never ran: 1")), "{messages:?}");
}

#[tokio::test]
async fn a_task_that_ended_leaves_no_handle_behind() {
    let stopper = Stopper::new();
    for _ in 0..10 {
        let task = stopper.run_async_task("task", async {}).expect("admitted");
        assert!(stopper.shared.tasks.spawned() <= 1);
        task.await.expect("no panic");
    }
    assert_eq!(stopper.shared.tasks.spawned(), 0);
    stopper.stop().await;
}
