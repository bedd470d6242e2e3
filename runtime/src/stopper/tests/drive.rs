//! A stop goes on, whoever began it and whatever becomes of them.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::thread;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::stopper::Stopper;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[tokio::test]
async fn a_stop_whose_caller_gave_up_goes_on_by_itself() {
    let stopper = Stopper::new();
    let (end, ended) = oneshot::channel::<()>();
    stopper.run_async_task("task", ended).expect("admitted");
    {
        let mut stop = pin!(stopper.stop());
        assert!(poll_fn(|cx| Poll::Ready(stop.as_mut().poll(cx).is_pending())).await);
    }
    end.send(()).expect("the task listens");
    stopper.stopped().await;
}

#[tokio::test]
async fn a_stop_that_is_kept_but_never_polled_again_holds_up_nobody() {
    let stopper = Stopper::new();
    let mut idle = pin!(stopper.stop());
    assert!(poll_fn(|cx| Poll::Ready(idle.as_mut().poll(cx).is_pending())).await);
    stopper.stop().await;
    idle.await;
}

#[test]
fn a_stop_that_is_requested_where_there_is_no_runtime_ends_in_a_thread_of_its_own() {
    let stopper = Stopper::new();
    let (name, closed_by) = std::sync::mpsc::channel();
    stopper.add_closer(move || name.send(thread::current().name().map(str::to_owned)).expect("heard"));
    stopper.request_stop();
    assert_eq!(closed_by.recv().expect("closed").as_deref(), Some("stopper"));
    runtime().block_on(stopper.stopped());
}

#[test]
fn a_stop_that_is_requested_from_a_plain_thread_runs_on_the_runtime_the_stopper_was_made_in() {
    let home = runtime();
    let stopper = home.block_on(async { Stopper::new() });
    let (name, closed_by) = std::sync::mpsc::channel();
    stopper.add_closer(move || name.send(thread::current().id()).expect("heard"));
    thread::spawn({
        let stopper = stopper.clone();
        move || stopper.request_stop()
    })
    .join()
    .expect("no panic");
    home.block_on(stopper.stopped());
    assert_eq!(closed_by.recv().expect("closed"), thread::current().id());
}

#[test]
fn a_stop_whose_runtime_goes_away_is_finished_by_a_thread() {
    let (stopper, admission) = runtime().block_on(async {
        let stopper = Stopper::new();
        let admission = stopper.admit("outside").expect("admitted");
        stopper.request_stop();
        (stopper, admission)
    });
    // That runtime is gone, and the driver on it.
    assert!(!stopper.is_stopping());
    drop(admission);
    runtime().block_on(stopper.stop());
    assert!(stopper.is_stopped());
}
