//! A whole runtime on each store: what only shows when the worker's loop and the store's signals work together.

use std::sync::Arc;
use std::time::Duration;

use delay::store::{Filter, Store};
use delay::{BoxError, Context, Failure, FailureExt as _, Handle, Hold, Result, Runtime, Task, TaskState};
use delay_tests::{Fixture, soon, task};
use tokio::sync::Notify;

#[delay::func("again-at-once", keep_result = "1h")]
async fn again_at_once(ctx: &Context) -> Result<u32, BoxError> {
    match ctx.attempt() {
        attempt @ 1..5 => Ok(Err(format!("attempt {attempt}")).retry_in(Duration::ZERO)?),
        attempt => Ok(attempt),
    }
}

#[delay::func("snooze-once")]
async fn snooze_once(_ctx: &Context, #[state] seen: &Arc<Notify>) -> Result<(), BoxError> {
    // `notified` is ready at once if somebody has notified before.
    if tokio::time::timeout(Duration::ZERO, seen.notified()).await.is_ok() {
        return Ok(());
    }
    seen.notify_one();
    Err(Failure::snooze(Duration::ZERO).into())
}

#[delay::func("endless")]
async fn endless(_ctx: &Context, #[state] seen: &Arc<Notify>) {
    seen.notify_one();
    std::future::pending::<()>().await;
}

#[delay::func("nothing")]
async fn nothing(_ctx: &Context, n: u32) {
    let _ = n;
}

/// A worker on the store, and the state that its functions share.
async fn at_work(store: &Arc<dyn Store>) -> Result<(Runtime, Arc<Notify>)> {
    let seen = Arc::new(Notify::new());
    let rt = Runtime::on(Arc::clone(store)).state(Arc::clone(&seen)).build().await?;
    rt.start().await?;
    // It has looked for tasks: from here on only signals wake it.
    let first = Nothing::call(&rt, 0).await?;
    soon("the first task", first.finished()).await?;
    Ok((rt, seen))
}

pub(crate) async fn a_task_that_is_to_be_retried_at_once_is(f: Fixture) -> Result<()> {
    let (rt, _) = at_work(f.store()).await?;
    let handle = AgainAtOnce::call(&rt).await?;
    assert_eq!(soon("the fifth attempt", handle.result()).await?, 5);
    rt.stop().await
}

pub(crate) async fn a_task_that_is_snoozed_for_no_time_runs_again(f: Fixture) -> Result<()> {
    let (rt, _) = at_work(f.store()).await?;
    let handle = SnoozeOnce::call(&rt).await?;
    let record = soon("the second attempt", handle.finished()).await?;
    assert_eq!((record.state, record.attempt, record.epoch), (TaskState::Succeeded, 1, 2));
    rt.stop().await
}

pub(crate) async fn a_scheduled_task_runs_once_its_time_has_come(f: Fixture) -> Result<()> {
    let (rt, _) = at_work(f.store()).await?;
    let handle = Nothing::task(1).delay("1h").add(&rt).await?;
    let other = Nothing::call(&rt, 2).await?;
    soon("a task that is due", other.finished()).await?;
    assert_eq!(handle.record().await?.state, TaskState::Scheduled);
    f.advance(Duration::from_secs(3600));
    soon("a task that has become due", handle.finished()).await?;
    rt.stop().await
}

pub(crate) async fn a_running_task_that_is_cancelled_ends(f: Fixture) -> Result<()> {
    let (rt, seen) = at_work(f.store()).await?;
    let handle = Endless::call(&rt).await?;
    soon("the task to begin", seen.notified()).await;
    handle.cancel().await?;
    let record = soon("the end of a cancelled task", handle.finished()).await?;
    assert_eq!((record.state, record.worker), (TaskState::Cancelled, None));
    rt.stop().await
}

pub(crate) async fn what_another_connection_adds_is_run(f: Fixture) -> Result<()> {
    let (rt, _) = at_work(f.store()).await?;
    let elsewhere = delay::Client::new(f.second().await?, delay::Limits::default());
    let handle: Handle<()> = Nothing::call(&elsewhere, 1).await?;
    soon("a task that another connection added", handle.finished()).await?;
    rt.stop().await
}

pub(crate) async fn what_nobody_can_run_is_held_with_its_bytes_and_the_reason(f: Fixture) -> Result<()> {
    let (rt, _) = at_work(f.store()).await?;
    let (garbage, unknown) = (task(), a_call_of_nobody().await?);
    let given = [(garbage.clone(), Hold::Undecodable), (unknown.clone(), Hold::UnknownFunction)];
    f.store().push(vec![garbage, unknown]).await?;
    let held = Filter { state: Some(TaskState::Held), limit: 10, ..Filter::default() };
    soon("both to be held", async {
        while f.store().list(held.clone()).await?.len() < 2 {
            tokio::task::yield_now().await;
        }
        Ok::<_, delay::Error>(())
    })
    .await?;
    for (task, hold) in given {
        let record = f.record(task.id).await?;
        assert_eq!((record.hold, record.payload), (Some(hold), task.payload));
        assert!(record.error.is_some_and(|error| !error.is_empty()));
    }
    rt.stop().await
}

/// A call of this program's own, under the name of a function that it does not have.
async fn a_call_of_nobody() -> Result<Task> {
    let env = delay::testing::Env::builder().state(Arc::new(Notify::new())).build();
    Nothing::call(&env, 7).await?;
    let mut payload = env.enqueued::<Nothing>().await?.remove(0).0.payload;
    let name = b"nothing";
    let at = payload.windows(name.len()).position(|bytes| bytes == name).expect("the function's name");
    payload[at..at + name.len()].copy_from_slice(b"nobody!");
    Ok(Task { payload, ..task() })
}
