//! `Add` and `AddMulti`.

use std::time::{Duration, SystemTime};

use delay::taskqueue::{Method, Request, post, pull, request};
use delay::{Context, Error, Limits, Result, Retry, TaskState, Timestamp};
use delay_tests::Hand;

use super::shop::Shop;

#[delay::func("a-call", queue = "elsewhere")]
async fn a_call(_ctx: &Context, n: u32) {
    let _ = n;
}

/// Which errors there are, by their predicates.
fn kinds<T>(results: &[Result<T>]) -> Vec<&'static str> {
    let kind = |error: &Error| match error {
        error if error.is_already_added() => "already added",
        error if error.is_invalid_queue_mode() => "invalid queue mode",
        _ => "another",
    };
    results.iter().map(|result| result.as_ref().err().map_or("ok", kind)).collect()
}

pub(crate) async fn q1_an_existing_name_is_already_added(shop: Shop) -> Result<()> {
    let queue = shop.queue("mail")?;
    let first = queue.add(post("/a", "").name("n")).await?;
    let error = queue.add(post("/b", "").name("n")).await.expect_err("refused");
    assert!(error.is_already_added());
    assert_eq!(error.task(), Some(first.id()));
    Ok(())
}

pub(crate) async fn q2_a_tombstoned_name_is_already_added(shop: Shop) -> Result<()> {
    let queue = shop.queue("mail")?;
    queue.add(post("/a", "").name("n")).await?;
    Hand::enlist(shop.f.store()).await?.finish_one().await?;
    assert!(queue.add(post("/b", "").name("n")).await.expect_err("refused").is_already_added());
    shop.f.advance(Duration::from_secs(3600));
    queue.add(post("/b", "").name("n")).await?;
    Ok(())
}

pub(crate) async fn q3_an_unknown_queue_is_that_very_error(shop: Shop) -> Result<()> {
    let queue = shop.queue("unheard-of")?;
    let unknown = |error: &Error| error.is_unknown_queue() && error.to_string().contains("unheard-of");
    assert!(queue.add(post("/a", "")).await.is_err_and(|error| unknown(&error)));
    assert!(queue.add_multi([post("/a", "")]).await.is_err_and(|error| unknown(&error)));
    assert!(queue.delete("n").await.is_err_and(|error| unknown(&error)));
    assert!(queue.purge().await.is_err_and(|error| unknown(&error)));
    assert!(queue.stats().await.is_err_and(|error| unknown(&error)));
    assert!(queue.lease(1, "1m").await.is_err_and(|error| unknown(&error)));
    assert!(queue.lease_by_tag(1, "1m", "t").await.is_err_and(|error| unknown(&error)));
    let direct = post("/a", "").queue("unheard-of").add(&shop.client).await;
    assert!(direct.is_err_and(|error| unknown(&error)), "whichever way it is added");
    assert_eq!(shop.tasks().await?, 0);
    Ok(())
}

pub(crate) async fn q4_a_batch_of_ok_existing_tombstoned_and_failing_gives_four_aligned_results(
    shop: Shop,
) -> Result<()> {
    let queue = shop.queue("mail")?;
    queue.add(post("/a", "").name("tombstoned")).await?;
    Hand::enlist(shop.f.store()).await?.finish_one().await?;
    queue.add(post("/a", "").name("existing")).await?;
    let added = queue
        .add_multi([
            post("/a", "").name("ok"),
            post("/a", "").name("existing"),
            post("/a", "").name("tombstoned"),
            pull("it is not for pushing"),
        ])
        .await?;
    assert_eq!(kinds(&added), ["ok", "already added", "already added", "invalid queue mode"]);
    let id = added[0].as_ref().expect("it is added").id();
    assert_eq!(shop.f.record(id).await?.name.as_deref(), Some("ok"));
    let turned = queue.add_multi([pull("first"), post("/a", "").name("second")]).await?;
    assert_eq!(kinds(&turned), ["invalid queue mode", "ok"], "aligned in any order");
    assert_eq!(queue.add_multi([pull("none fits")]).await?.len(), 1);
    Ok(())
}

pub(crate) async fn add_returns_the_task_with_the_name_that_it_goes_by(shop: Shop) -> Result<()> {
    let queue = shop.queue("frames")?;
    let id = queue.add(pull("a")).await?.id();
    queue.add(pull("b").name("chosen")).await?;
    let leased = queue.lease(2, "1m").await?;
    assert_eq!([leased[0].name(), leased[1].name()], [id.to_string(), "chosen".to_owned()]);
    Ok(())
}

pub(crate) async fn add_takes_an_eta_or_a_delay_to_the_microsecond(shop: Shop) -> Result<()> {
    let (queue, now) = (shop.queue("mail")?, shop.f.now());
    let eta_of = |handle: delay::Handle<()>| async move {
        let record = handle.record().await?;
        Ok::<_, Error>((record.eta, record.state))
    };
    let micros = Duration::from_micros(1_234_567);
    let delayed = queue.add(post("/a", "").delay(micros)).await?;
    assert_eq!(eta_of(delayed).await?, (now.after(micros), TaskState::Scheduled));
    let at = queue.add(post("/a", "").eta(now.after(micros))).await?;
    assert_eq!(eta_of(at).await?, (now.after(micros), TaskState::Scheduled));
    let past = queue.add(post("/a", "").eta(Timestamp::from_micros(5))).await?;
    assert_eq!(eta_of(past).await?, (now, TaskState::Ready), "a past eta is now");
    let both = queue.add(post("/a", "").delay("1s").eta(SystemTime::now())).await;
    assert!(both.expect_err("refused").is_invalid_eta());
    Ok(())
}

pub(crate) async fn add_keeps_path_method_headers_and_body(shop: Shop) -> Result<()> {
    let task = request(Request::new(Method::Put, "/a?b=c").map(|put| put.body([0, 255])));
    shop.queue("web")?.add(task.header("X-Tenant", "acme").tag("t").retry(Retry::NEVER)).await?;
    let hand = Hand::enlist(shop.f.store()).await?;
    assert_eq!(hand.claim(1).await?.len(), 0, "it is the dispatcher's");
    let only = delay::store::Queues::Only(vec!["web".to_owned()].into());
    let claim = hand.turn(vec![], 1, only).await?.claims.pop().expect("a task");
    let read = Request::read(&claim.payload)?.expect("a request");
    assert_eq!((read.method(), read.path(), read.bytes()), (Method::Put, "/a?b=c", &[0, 255][..]));
    assert!(claim.options.is_some_and(|options| options.windows(4).any(|bytes| bytes == b"acme")));
    Ok(())
}

pub(crate) async fn add_takes_calls_of_functions_too(shop: Shop) -> Result<()> {
    let id = shop.queue("mail")?.add(ACall::task(1)).await?.id();
    assert_eq!(shop.f.record(id).await?.queue, "mail", "the queue that it is added to");
    let pulled = shop.queue("frames")?.add(ACall::task(1)).await;
    assert!(pulled.expect_err("nobody would run it").is_invalid_queue_mode());
    ACall::call(&shop.client, 2).await?;
    Ok(())
}

pub(crate) async fn add_multi_is_one_round_trip_of_any_size(shop: Shop) -> Result<()> {
    let added = shop.queue("mail")?.add_multi((0..2000).map(|n| post(format!("/{n}"), ""))).await?;
    assert_eq!(added.len(), 2000);
    assert!(added.iter().all(Result::is_ok));
    assert_eq!(shop.tasks().await?, 2000);
    Ok(())
}

pub(crate) async fn add_multi_sends_none_if_one_is_malformed(shop: Shop) -> Result<()> {
    let queue = shop.queue("mail")?;
    let batch = [post("/a", ""), post("/a", "").name("two words"), post("/a", "")];
    assert!(queue.add_multi(batch).await.expect_err("refused").is_invalid_name());
    let batch = [post("/a", "").name("n"), post("/a", "").name("n")];
    assert!(queue.add_multi(batch).await.expect_err("refused").is_duplicate_name());
    assert_eq!(shop.tasks().await?, 0);
    assert_eq!(queue.add_multi(Vec::<delay::TaskBuilder<()>>::new()).await?.len(), 0);
    Ok(())
}

pub(crate) async fn every_typed_error_of_adding_has_its_predicate(shop: Shop) -> Result<()> {
    let queue = shop.queue("mail")?;
    let refused = |task| async { queue.add(task).await.expect_err("it is refused") };
    let large = vec![0; Limits::default().payload + 1];
    assert!(refused(post("/a", large)).await.is_payload_too_large(), "TaskTooLarge");
    assert!(refused(post("/a", "").name("a/b")).await.is_invalid_name(), "InvalidTaskName");
    assert!(
        shop.client.taskqueue("under_score").is_err_and(|error| error.is_invalid_queue()),
        "InvalidQueueName"
    );
    assert!(refused(post("/a", "").delay("1s").delay("2s")).await.is_invalid_eta(), "InvalidEta");
    assert!(refused(post("/a", "").tag("t".repeat(501))).await.is_invalid_tag(), "InvalidTag");
    assert!(refused(pull("a")).await.is_invalid_queue_mode(), "InvalidQueueMode");
    let frames = shop.queue("frames")?.add(post("/a", "")).await;
    assert!(frames.expect_err("refused").is_invalid_queue_mode(), "InvalidQueueMode");
    assert!(refused(post("a", "")).await.is_invalid_request(), "InvalidUrl");
    assert!(refused(post("/a", "").header("Host", "b")).await.is_invalid_request(), "a header");
    assert!(refused(post("/a", "").header("b", "y".repeat(70_000))).await.is_headers_too_large(), "headers");
    assert_eq!(shop.tasks().await?, 0);
    Ok(())
}
