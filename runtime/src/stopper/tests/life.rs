//! The stages of a life, and the signals between them.

use std::pin::pin;

use tokio::sync::oneshot;

use super::blocks;
use crate::stopper::{Life, Stopper};

#[tokio::test(start_paused = true)]
async fn a_stop_blocks_while_a_task_runs_and_returns_once_it_ends_while_quiescing_fires_at_once() {
    let stopper = Stopper::new();
    let (end, ended) = oneshot::channel::<()>();
    let task = stopper.run_async_task("task", ended).expect("admitted");

    let mut stop = pin!(stopper.stop());
    assert!(blocks(&mut stop).await);
    assert!(stopper.is_quiescing());
    stopper.quiescing().await;
    assert!(!stopper.is_stopping());
    assert!(!stopper.is_stopped());

    end.send(()).expect("the task listens");
    stop.await;
    assert_eq!(task.await.expect("no panic"), Ok(()));
    assert!(stopper.is_stopped());
}

#[tokio::test(start_paused = true)]
async fn stopped_does_not_fire_while_a_closer_still_blocks() {
    let stopper = Stopper::new();
    let (end, ended) = oneshot::channel::<()>();
    stopper.add_async_closer(async move { ended.await.expect("sent") });

    let mut stop = pin!(stopper.stop());
    assert!(blocks(&mut stop).await);
    assert!(stopper.is_stopping());
    assert!(!stopper.is_stopped());
    assert!(blocks(&mut stopper.stopped()).await);

    end.send(()).expect("the closer listens");
    stop.await;
    assert!(stopper.is_stopped());
}

#[tokio::test]
async fn three_tasks_that_wait_for_quiescing_all_end_and_stop_returns() {
    let stopper = Stopper::new();
    let tasks =
        ["a", "b", "c"].map(|name| stopper.run_async_task(name, stopper.quiescing()).expect("admitted"));
    stopper.stop().await;
    for task in tasks {
        task.await.expect("ended by itself");
    }
}

#[tokio::test(start_paused = true)]
async fn stop_called_from_inside_a_task_waits_for_that_task_and_does_not_deadlock_it() {
    let stopper = Stopper::new();
    let (end, ended) = oneshot::channel::<()>();
    let (returned, has_returned) = oneshot::channel::<()>();
    let inner = stopper.clone();
    let work = async move {
        // A wait of its own, as the task that is waited for cannot wait.
        let caller = inner.clone();
        tokio::spawn(async move {
            caller.stop().await;
            assert!(caller.is_stopped());
            returned.send(()).expect("heard");
        });
        inner.quiescing().await;
        ended.await.expect("sent");
        assert!(!inner.is_stopping(), "this task has not ended");
    };
    let task = stopper.run_async_task("task", work).expect("admitted");
    assert!(blocks(&mut stopper.stopping()).await);
    end.send(()).expect("the task listens");
    task.await.expect("it did not deadlock");
    has_returned.await.expect("the stop returned");
}

#[tokio::test(start_paused = true)]
async fn a_task_may_request_the_stop_it_is_waited_for_by() {
    let stopper = Stopper::new();
    let inner = stopper.clone();
    let work = async move {
        inner.request_stop();
        assert!(inner.is_quiescing());
        assert!(blocks(&mut inner.stopping()).await);
    };
    stopper.run_task("task", work).await.expect("admitted");
    stopper.stopped().await;
}

#[tokio::test]
async fn three_quiesced_stoppers_refuse_with_unavailable_and_then_stop() {
    let stoppers = [Stopper::new(), Stopper::new(), Stopper::new()];
    for stopper in &stoppers {
        stopper.quiesce().await;
    }
    for stopper in &stoppers {
        let refusal = stopper.run_task("late", async { unreachable!("refused") }).await;
        let message = refusal.expect_err("refused").to_string();
        assert!(message.starts_with("`late` did not start: the stopper is quiescing"), "{message}");
        stopper.stop().await;
        assert!(stopper.is_stopped());
    }
}

#[tokio::test(start_paused = true)]
async fn quiescing_without_a_stop_waits_for_tasks_and_closes_nothing() {
    let stopper = Stopper::new();
    let (end, ended) = oneshot::channel::<()>();
    stopper.run_async_task("task", ended).expect("admitted");
    stopper.add_closer({
        let stopper = stopper.clone();
        move || assert!(stopper.is_stopping(), "only a stop closes")
    });

    let mut quiesce = pin!(stopper.quiesce());
    assert!(blocks(&mut quiesce).await);
    end.send(()).expect("the task listens");
    quiesce.await;
    assert_eq!(stopper.life(), Life::Quiescing);
    assert!(blocks(&mut stopper.stopping()).await);
    stopper.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_does_not_hold_up_quiescing_and_is_waited_for_after_stopping() {
    let stopper = Stopper::new();
    let (end, ended) = oneshot::channel::<()>();
    let stopping = stopper.stopping();
    let worker = stopper.run_worker("worker", async move {
        stopping.await;
        ended.await.expect("sent");
        "served"
    });
    let worker = worker.expect("admitted");
    assert_eq!(stopper.num_tasks(), 0, "a worker is not a task");
    assert_eq!(stopper.running_workers().count("worker"), 1);

    stopper.quiesce().await;
    let mut stop = pin!(stopper.stop());
    assert!(blocks(&mut stop).await);
    assert_eq!(stopper.life(), Life::Stopping);
    end.send(()).expect("the worker listens");
    stop.await;
    assert_eq!(worker.await.expect("ended by itself"), "served");
    assert!(stopper.run_worker("late", async {}).is_err());
}

#[tokio::test]
async fn every_caller_of_stop_returns_at_the_end_and_later_ones_at_once() {
    let stopper = Stopper::new();
    stopper.add_closer({
        let mut ran = false;
        move || assert!(!std::mem::replace(&mut ran, true))
    });
    let clone = stopper.clone();
    tokio::join!(stopper.stop(), stopper.stop(), clone.stop());
    assert!(stopper.is_stopped());
    stopper.stop().await;
}

#[tokio::test]
async fn signals_fire_in_order_and_stay_fired_for_every_clone() {
    let stopper = Stopper::new();
    let signals = [stopper.quiescing(), stopper.stopping(), stopper.stopped()];
    assert!(signals.iter().all(|signal| !signal.is_fired()));
    assert_eq!(stopper.life(), Life::Running);

    let life = stopper.clone();
    let order = tokio::spawn(async move {
        let [mut quiescing, mut stopping, mut stopped] = signals;
        (&mut quiescing).await;
        assert!(life.life() >= Life::Quiescing);
        (&mut stopping).await;
        assert!(life.life() >= Life::Stopping);
        (&mut stopped).await;
        assert_eq!(life.life(), Life::Stopped);
        [quiescing, stopping, stopped]
    });
    stopper.stop().await;
    for signal in order.await.expect("in order") {
        assert!(signal.is_fired());
        signal.clone().await;
        signal.await;
    }
}
