//! Retry parameters of queues, and what a worker does about tasks that are not for it.

use std::sync::Arc;
use std::time::Duration;

use delay::queues::QueueConfig;
use delay::taskqueue::post;
use delay::{BoxError, Context, Handle, Result, Retry, Runtime, TaskState};
use delay_tests::soon;

use super::shop::Shop;

const AT_ONCE: Retry = Retry { min_backoff: Duration::ZERO, ..Retry::DEFAULT };

#[delay::func("always-fails", queue = "mail", retry(limit = 4, min_backoff = "0s"))]
async fn always_fails(_ctx: &Context) -> Result<(), BoxError> {
    Err("as ever".into())
}

async fn attempts(handle: &Handle<()>) -> Result<u32> {
    let record = soon("the end of the task", handle.finished()).await?;
    assert_eq!(record.state, TaskState::Failed);
    Ok(record.attempt)
}

async fn at_work(shop: &Shop) -> Result<Runtime> {
    let rt = Runtime::on(Arc::clone(shop.f.store())).build().await?;
    rt.start().await?;
    Ok(rt)
}

pub(crate) async fn retry_options_of_the_task_go_before_the_queues_and_these_before_the_functions(
    shop: Shop,
) -> Result<()> {
    let mut config = QueueConfig::new("mail")?;
    config.retry = Some(Retry { limit: Some(2), ..AT_ONCE });
    shop.apply(vec![config]).await?;
    let rt = at_work(&shop).await?;
    let by_queue = AlwaysFails::call(&rt).await?;
    let by_task = AlwaysFails::task().retry(Retry { limit: Some(1), ..AT_ONCE }).add(&rt).await?;
    let by_function = AlwaysFails::task().queue("default").add(&rt).await?;
    assert_eq!(
        [attempts(&by_queue).await?, attempts(&by_task).await?, attempts(&by_function).await?],
        [3, 2, 5],
        "a limit of n is up to n + 1 attempts"
    );
    rt.stop().await
}

pub(crate) async fn retry_options_hold_as_long_as_either_does(shop: Shop) -> Result<()> {
    let mut config = QueueConfig::new("mail")?;
    // The store's clock stands still: the age never runs out, and the limit alone would end it after 2 attempts.
    config.retry = Some(Retry { limit: Some(1), age_limit: Some(Duration::from_secs(3600)), ..AT_ONCE });
    shop.apply(vec![config]).await?;
    let rt = at_work(&shop).await?;
    let handle = AlwaysFails::call(&rt).await?;
    soon("many attempts", async {
        while handle.record().await?.attempt < 6 {
            tokio::task::yield_now().await;
        }
        Ok::<_, delay::Error>(())
    })
    .await?;
    handle.cancel().await?;
    soon("the end of the task", handle.finished()).await?;
    rt.stop().await
}

pub(crate) async fn a_request_that_a_worker_gets_is_held_and_says_what_it_needs(shop: Shop) -> Result<()> {
    let rt = at_work(&shop).await?;
    let handle = shop.queue("mail")?.add(post("/a", "")).await?;
    let record = soon("the task", handle.finished()).await?;
    assert_eq!(record.state, TaskState::Held);
    assert!(record.error.expect("the reason").contains("`target`"));
    let payload = delay::taskqueue::Request::read(&record.payload)?;
    assert_eq!(payload.expect("nothing of it is lost").path(), "/a");
    rt.stop().await
}

pub(crate) async fn a_limited_queue_is_worked_off_by_a_worker_at_its_rate(shop: Shop) -> Result<()> {
    let mut config = QueueConfig::new("mail")?;
    (config.rate, config.max_concurrent_requests) = (Some("1/s".parse()?), 2);
    config.bucket_size = 3;
    config.retry = Some(Retry::NEVER);
    shop.apply(vec![config]).await?;
    let rt = at_work(&shop).await?;
    let handles = rt_add(&rt, 5).await?;
    let ended = |handles: Vec<Handle<()>>| async move {
        let mut ended = 0;
        for handle in &handles {
            ended += usize::from(handle.record().await?.state == TaskState::Failed);
        }
        Ok::<_, delay::Error>(ended)
    };
    soon("the bucket's three", async {
        while ended(handles.clone()).await? < 3 {
            tokio::task::yield_now().await;
        }
        Ok::<_, delay::Error>(())
    })
    .await?;
    // The store's clock stands still, so no token comes, however long the worker tries.
    assert_eq!(ended(handles.clone()).await?, 3);
    shop.f.advance(Duration::from_secs(2));
    AlwaysFails::task().queue("default").add(&rt).await?;
    soon("the others", async {
        while ended(handles.clone()).await? < 5 {
            tokio::task::yield_now().await;
        }
        Ok::<_, delay::Error>(())
    })
    .await?;
    rt.stop().await
}

async fn rt_add(rt: &Runtime, tasks: usize) -> Result<Vec<Handle<()>>> {
    use delay::Enqueue as _;
    rt.add_all((0..tasks).map(|_| AlwaysFails::task())).await?.into_iter().collect()
}
