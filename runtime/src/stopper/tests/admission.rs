//! What is counted, for how long, and what is refused.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::blocks;
use crate::stopper::Stopper;

#[tokio::test]
async fn num_tasks_is_right_after_each_start_and_each_end() {
    let stopper = Stopper::new();
    let mut running = Vec::new();
    for count in 0..4 {
        assert_eq!(stopper.num_tasks(), count);
        let (end, ended) = oneshot::channel::<()>();
        running.push((end, stopper.run_async_task("task", ended).expect("admitted")));
        assert_eq!(stopper.running_tasks().count("task"), count + 1);
    }
    while let Some((end, task)) = running.pop() {
        assert_eq!(stopper.num_tasks(), running.len() + 1);
        end.send(()).expect("the task listens");
        task.await.expect("no panic").expect("sent");
        assert_eq!(stopper.num_tasks(), running.len());
    }
}

#[tokio::test]
async fn a_task_that_runs_in_place_is_counted_while_it_runs() {
    let stopper = Stopper::new();
    let seen = stopper.run_task("task", async { stopper.num_tasks() }).await;
    assert_eq!(seen, Ok(1));
    assert_eq!(stopper.num_tasks(), 0);
}

#[tokio::test]
async fn a_tasks_own_error_is_told_from_a_refusal() {
    let stopper = Stopper::new();
    let failed = stopper.run_task("task", async { "forty-two".parse::<u32>() }).await;
    assert!(failed.expect("admitted").is_err());
    stopper.quiesce().await;
    assert!(stopper.run_task("task", async { "42".parse::<u32>() }).await.is_err());
}

#[tokio::test]
async fn what_is_refused_has_never_run() {
    let stopper = Stopper::new();
    let polled = Arc::new(AtomicUsize::new(0));
    let work = || {
        let polled = Arc::clone(&polled);
        async move { polled.fetch_add(1, Ordering::Relaxed) }
    };
    stopper.quiesce().await;
    assert!(stopper.run_task("late", work()).await.is_err());
    assert!(stopper.run_async_task("late", work()).is_err());
    assert!(stopper.run_worker("late", work()).is_err());
    assert!(stopper.admit("late").is_err());
    assert_eq!(Arc::strong_count(&polled), 1, "what was refused is dropped");
    assert_eq!(polled.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn an_admission_is_waited_for_wherever_it_is_dropped() {
    let stopper = Stopper::new();
    let admission = stopper.admit("elsewhere").expect("admitted");
    assert_eq!(admission.name(), "elsewhere");
    let mut stop = pin!(stopper.stop());
    assert!(blocks(&mut stop).await);
    thread::spawn(move || drop(admission)).join().expect("no panic");
    stop.await;
}

#[test]
fn an_admission_is_released_by_the_panic_of_its_thread() {
    let stopper = Stopper::new();
    let admission = stopper.admit("thread").expect("admitted");
    let thread = thread::spawn(move || {
        let _admission = admission;
        panic!("the thread dies");
    });
    thread.join().expect_err("it panicked");
    assert_eq!(stopper.num_tasks(), 0);
}

#[tokio::test]
async fn a_task_in_place_that_is_dropped_is_counted_out() {
    let stopper = Stopper::new();
    tokio::select! {
        biased;
        _ = stopper.run_task("task", pending::<()>()) => unreachable!("it never ends"),
        () = async {
            yield_now().await;
            assert_eq!(stopper.num_tasks(), 1);
        } => {}
    }
    assert_eq!(stopper.num_tasks(), 0);
    stopper.stop().await;
}

#[tokio::test]
async fn a_tasks_destructors_belong_to_the_task_even_if_it_was_never_polled() {
    struct CountsTasks(Stopper, Arc<AtomicUsize>);
    impl Drop for CountsTasks {
        fn drop(&mut self) {
            self.1.store(self.0.num_tasks(), Ordering::Relaxed);
        }
    }

    let stopper = Stopper::new();
    let seen = Arc::new(AtomicUsize::new(0));
    for polls in [0, 1] {
        seen.store(usize::MAX, Ordering::Relaxed);
        let held = CountsTasks(stopper.clone(), Arc::clone(&seen));
        let work = async move {
            let _held = held;
            pending::<()>().await;
        };
        let task = stopper.run_async_task("task", work).expect("admitted");
        for _ in 0..polls {
            yield_now().await;
        }
        task.abort();
        task.await.expect_err("aborted");
        assert_eq!(seen.load(Ordering::Relaxed), 1, "after {polls} polls");
        assert_eq!(stopper.num_tasks(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stop_that_races_with_many_starts_sees_each_of_them_end_or_be_refused() {
    for _ in 0..50 {
        let stopper = Stopper::new();
        let ended = Arc::new(AtomicUsize::new(0));
        let starters: Vec<_> = (0..4)
            .map(|_| {
                let (stopper, ended) = (stopper.clone(), Arc::clone(&ended));
                tokio::spawn(async move {
                    let mut started = 0;
                    loop {
                        let ended = Arc::clone(&ended);
                        let work = async move {
                            yield_now().await;
                            ended.fetch_add(1, Ordering::Relaxed);
                        };
                        if stopper.run_async_task("task", work).is_err() {
                            return started;
                        }
                        started += 1;
                        yield_now().await;
                    }
                })
            })
            .collect();
        yield_now().await;
        stopper.stop().await;
        let seen = ended.load(Ordering::Relaxed);
        let mut started = 0;
        for starter in starters {
            started += starter.await.expect("no panic");
        }
        assert_eq!(seen, started);
    }
}
