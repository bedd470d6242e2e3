//! Stopping softly, then less so.

use std::future::pending;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::stopper::{Life, Stopper, TaskMap};

const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn what_ends_by_itself_before_the_deadline_is_not_cancelled() {
    let stopper = Stopper::new();
    let quiescing = stopper.quiescing();
    let task = stopper.run_async_task("task", async move {
        quiescing.await;
        tokio::time::sleep(DEADLINE / 2).await;
    });
    assert_eq!(stopper.stop_within(DEADLINE).await, Ok(TaskMap::default()));
    task.expect("admitted").await.expect("ended by itself");
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_tasks_are_cancelled_and_named() {
    let stopper = Stopper::new();
    let began = Instant::now();
    let tasks = [(); 3].map(|()| stopper.run_async_task("endless", pending::<()>()).expect("admitted"));
    let late = stopper.stop_within(DEADLINE).await.expect("cancelled, so stopped");
    assert_eq!(late.count("endless"), 3);
    assert_eq!(began.elapsed(), DEADLINE);
    assert!(stopper.is_stopped());
    for task in tasks {
        assert!(task.await.expect_err("aborted").is_cancelled());
    }
}

#[tokio::test(start_paused = true)]
async fn workers_hear_of_stopping_before_they_are_cancelled() {
    let stopper = Stopper::new();
    stopper.run_async_task("endless", pending::<()>()).expect("admitted");
    let stopping = stopper.stopping();
    let polite = stopper.run_worker("polite", stopping).expect("admitted");
    let deaf = stopper.run_worker("deaf", pending::<()>()).expect("admitted");
    stopper.stop_within(DEADLINE).await.expect("all cancelled");
    polite.await.expect("ended by itself");
    assert!(deaf.await.expect_err("aborted").is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_cancelled_is_reported_by_name_and_the_stop_goes_on() {
    let stopper = Stopper::new();
    let began = Instant::now();
    let admissions = [stopper.admit("blocked"), stopper.admit("blocked")];
    let error = stopper.stop_within(DEADLINE).await.expect_err("two admissions are out");
    assert_eq!(error.tasks.count("blocked"), 2);
    assert_eq!(error.waited, began.elapsed());
    let message = error.to_string();
    assert!(message.starts_with("not stopped after 32s, still running: tasks ["), "{message}");
    assert!(message.contains("1 x blocked (") && message.contains("let them watch"), "{message}");
    assert_eq!(stopper.life(), Life::Quiescing);

    drop(admissions);
    stopper.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_closer_that_does_not_end_is_reported() {
    let stopper = Stopper::new();
    let (end, ended) = oneshot::channel::<()>();
    stopper.add_async_closer(async move { ended.await.expect("sent") });
    let error = stopper.stop_within(DEADLINE).await.expect_err("the closer blocks");
    assert!(error.tasks.is_empty() && error.workers.is_empty());
    assert_eq!(error.closers.count("closer"), 1);
    end.send(()).expect("the closer listens");
    stopper.stopped().await;
}

#[tokio::test]
async fn a_task_that_was_admitted_in_time_but_spawned_after_the_deadline_is_cancelled_at_once() {
    let stopper = Stopper::new();
    stopper.shared.tasks.abort();
    let task = stopper.run_async_task("late", pending::<()>()).expect("admitted");
    assert!(task.await.expect_err("aborted").is_cancelled());
    stopper.stop().await;
}
