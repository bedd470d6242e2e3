//! Closers: all of them, in order, once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::blocks;
use crate::stopper::{Life, Stopper};

#[tokio::test]
async fn all_closers_run_in_the_order_in_which_they_were_added() {
    let stopper = Stopper::new();
    let order = Arc::new(Mutex::new(Vec::new()));
    for index in 0..6 {
        let (order, life) = (Arc::clone(&order), stopper.clone());
        let close = move || {
            assert_eq!(life.life(), Life::Stopping);
            order.lock().expect("no panic").push(index);
        };
        if index % 2 == 0 {
            stopper.add_closer(close);
        } else {
            stopper.add_async_closer(async move {
                tokio::task::yield_now().await;
                close();
            });
        }
    }
    stopper.stop().await;
    assert_eq!(*order.lock().expect("no panic"), [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closer_added_while_stop_runs_concurrently_is_run() {
    for _ in 0..200 {
        let stopper = Stopper::new();
        let closed = Arc::new(AtomicUsize::new(0));
        let adder = {
            let (stopper, closed) = (stopper.clone(), Arc::clone(&closed));
            tokio::spawn(async move {
                let (add, end) = oneshot::channel::<()>();
                stopper.add_closer({
                    let closed = Arc::clone(&closed);
                    move || _ = closed.fetch_add(1, Ordering::Relaxed)
                });
                stopper.add_async_closer(async move {
                    closed.fetch_add(1, Ordering::Relaxed);
                    add.send(()).expect("heard");
                });
                end.await.expect("the future ran");
            })
        };
        stopper.stop().await;
        adder.await.expect("both ran");
        assert_eq!(closed.load(Ordering::Relaxed), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_closer_added_after_a_stop_was_requested_is_called_at_once() {
    let stopper = Stopper::new();
    let admission = stopper.admit("task").expect("admitted");
    stopper.request_stop();
    let (closed, was_closed) = oneshot::channel();
    stopper.add_closer(move || closed.send(()).expect("heard"));
    was_closed.await.expect("called before `add_closer` returned");
    assert_eq!(stopper.life(), Life::Quiescing, "a task still runs");
    drop(admission);
    stopper.stop().await;

    let (closed, was_closed) = oneshot::channel();
    stopper.add_async_closer(async move { closed.send(()).expect("heard") });
    was_closed.await.expect("even after the end");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_closers_that_came_late() {
    let stopper = Stopper::new();
    stopper.request_stop();
    let (end, ended) = oneshot::channel::<()>();
    stopper.add_async_closer(async move { ended.await.expect("sent") });
    assert!(blocks(&mut stopper.stopped()).await);
    assert_eq!(stopper.report().closers.total(), 1);
    end.send(()).expect("the closer listens");
    stopper.stop().await;
}

#[tokio::test]
async fn a_closer_that_calls_a_cancel_function_does_not_deadlock() {
    let stopper = Stopper::new();
    let token = CancellationToken::new();
    let links = [stopper.cancel_on_quiesce(&token), stopper.cancel_on_stop(&token)];
    let tokens = links.each_ref().map(|link| link.token().clone());
    stopper.add_closer(move || {
        token.cancel();
        // Dropping a link takes it off the stopper's roll.
        drop(links);
    });
    stopper.stop().await;
    assert!(tokens.iter().all(CancellationToken::is_cancelled));
}

#[tokio::test]
async fn a_closer_that_panics_keeps_no_other_from_running() {
    let panics = Arc::new(Mutex::new(Vec::new()));
    let stopper = {
        let panics = Arc::clone(&panics);
        let note = move |name, payload: &(dyn std::any::Any + Send)| {
            panics
                .lock()
                .expect("no panic")
                .push((name, *payload.downcast_ref::<u32>().expect("the payload")));
        };
        Stopper::builder().on_panic(note).build()
    };
    let (closed, was_closed) = oneshot::channel();
    stopper.add_closer(|| std::panic::panic_any(1_u32));
    stopper.add_async_closer(async { std::panic::panic_any(2_u32) });
    stopper.add_closer(move || closed.send(()).expect("heard"));
    stopper.stop().await;
    was_closed.await.expect("the last closer ran");
    assert_eq!(*panics.lock().expect("no panic"), [("closer", 1), ("closer", 2)]);
}
