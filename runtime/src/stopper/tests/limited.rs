//! Tasks that need a permit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinSet, yield_now};
use tokio_util::sync::CancellationToken;

use super::blocks;
use crate::stopper::{RunError, Stopper, TaskOptions, Wait};

const LIMIT: usize = 5;

/// How many run at a time, at most.
#[derive(Default)]
struct Peak {
    now: AtomicUsize,
    peak: AtomicUsize,
    runs: AtomicUsize,
}

impl Peak {
    async fn run(self: Arc<Self>) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(now, Ordering::SeqCst);
        self.runs.fetch_add(1, Ordering::SeqCst);
        yield_now().await;
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn the_peak_of_what_runs_at_a_time_is_exactly_the_limit() {
    let (stopper, semaphore) = (Stopper::new(), Arc::new(Semaphore::new(LIMIT)));
    let (peak, never) = (Arc::new(Peak::default()), CancellationToken::new());
    for _ in 0..LIMIT * 5 {
        let work = Arc::clone(&peak).run();
        stopper
            .run_limited_async_task(&semaphore, Wait::Yes, &never, "limited", work)
            .await
            .expect("a permit comes free");
    }
    stopper.quiesce().await;
    assert_eq!(peak.peak.load(Ordering::SeqCst), LIMIT);
    assert_eq!(peak.runs.load(Ordering::SeqCst), LIMIT * 5);
    assert_eq!(semaphore.available_permits(), LIMIT);
}

#[tokio::test]
async fn a_task_that_does_not_wait_is_throttled_at_once() {
    let (stopper, semaphore) = (Stopper::new(), Arc::new(Semaphore::new(1)));
    let never = CancellationToken::new();
    let (end, ended) = oneshot::channel::<()>();
    let first = stopper.run_limited_async_task(&semaphore, Wait::No, &never, "first", ended).await;
    let first = first.expect("a permit is free");
    let second = stopper.run_limited_async_task(&semaphore, Wait::No, &never, "second", async {}).await;
    assert_eq!(second.expect_err("throttled"), RunError::Throttled { name: "second" });

    end.send(()).expect("the task listens");
    first.await.expect("no panic").expect("sent");
    let third = stopper.run_limited_async_task(&semaphore, Wait::No, &never, "third", async {}).await;
    third.expect("the permit is back").await.expect("no panic");
    stopper.stop().await;
}

#[tokio::test(start_paused = true)]
async fn closing_the_semaphore_turns_waiters_into_unavailable() {
    let (stopper, semaphore) = (Stopper::new(), Arc::new(Semaphore::new(0)));
    let never = CancellationToken::new();
    let mut waiters = waiters(&stopper, &semaphore, &never);
    assert!(blocks(&mut Box::pin(waiters.join_next())).await);
    semaphore.close();
    while let Some(waited) = waiters.join_next().await {
        let error = waited.expect("no panic").expect_err("no permit will come");
        let RunError::Unavailable(unavailable) = error else { panic!("{error:?}") };
        assert!(unavailable.to_string().contains("semaphore"), "{unavailable}");
    }
    let later = stopper.run_limited_async_task(&semaphore, Wait::No, &never, "later", async {}).await;
    assert!(matches!(later, Err(RunError::Unavailable(_))));
    stopper.stop().await;
}

#[tokio::test(start_paused = true)]
async fn cancelling_turns_waiters_into_cancelled_and_exactly_the_limit_ran() {
    let (stopper, semaphore) = (Stopper::new(), Arc::new(Semaphore::new(LIMIT)));
    let (cancel, ran) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..LIMIT {
        let (cancel, ran) = (cancel.clone(), Arc::clone(&ran));
        let work = {
            let cancel = cancel.clone();
            async move {
                ran.fetch_add(1, Ordering::Relaxed);
                cancel.cancelled().await;
            }
        };
        let started = stopper.run_limited_async_task(&semaphore, Wait::Yes, &cancel, "limited", work).await;
        started.expect("a permit is free");
    }
    let mut waiters = waiters(&stopper, &semaphore, &cancel);
    assert!(blocks(&mut Box::pin(waiters.join_next())).await);
    cancel.cancel();
    while let Some(waited) = waiters.join_next().await {
        assert_eq!(waited.expect("no panic"), Err(RunError::Cancelled { name: "waiter" }));
    }
    stopper.stop().await;
    assert_eq!(ran.load(Ordering::Relaxed), LIMIT);
}

#[tokio::test]
async fn a_cancelled_token_is_noticed_even_when_the_permit_was_there() {
    let (stopper, semaphore) = (Stopper::new(), Arc::new(Semaphore::new(1)));
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    for wait in [Wait::Yes, Wait::No] {
        let refused = stopper.run_limited_async_task(&semaphore, wait, &cancelled, "task", async {}).await;
        assert_eq!(refused.expect_err("cancelled"), RunError::Cancelled { name: "task" });
    }
    let unlimited = TaskOptions::new("task").cancelled_by(&cancelled);
    let refused = stopper.run_async_task_with(unlimited, async {}).await;
    assert_eq!(refused.expect_err("cancelled"), RunError::Cancelled { name: "task" });
    assert_eq!(semaphore.available_permits(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_tasks_that_wait_for_a_permit() {
    let (stopper, semaphore) = (Stopper::new(), Arc::new(Semaphore::new(0)));
    let mut waiters = waiters(&stopper, &semaphore, &CancellationToken::new());
    assert!(blocks(&mut Box::pin(waiters.join_next())).await);
    assert_eq!(stopper.num_tasks(), 0);
    stopper.stop().await;
    while let Some(waited) = waiters.join_next().await {
        assert!(matches!(waited.expect("no panic"), Err(RunError::Unavailable(_))));
    }
}

/// Some that wait for a permit, and must not run.
fn waiters(
    stopper: &Stopper,
    semaphore: &Arc<Semaphore>,
    cancel: &CancellationToken,
) -> JoinSet<Result<(), RunError>> {
    (0..LIMIT)
        .map(|_| {
            let (stopper, semaphore, cancel) = (stopper.clone(), Arc::clone(semaphore), cancel.clone());
            async move {
                let work = async { unreachable!("it got no permit") };
                let wait = stopper.run_limited_async_task(&semaphore, Wait::Yes, &cancel, "waiter", work);
                wait.await.map(|_| ())
            }
        })
        .collect()
}
