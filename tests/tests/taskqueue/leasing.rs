//! Pull queues: `Lease`, `LeaseByTag`, `ModifyLease`.

use std::time::Duration;

use delay::store::QueueEdit;
use delay::taskqueue::{Leased, pull};
use delay::{Result, Retry};

use super::shop::Shop;

const MINUTE: Duration = Duration::from_secs(60);

fn names(leased: &[Leased]) -> Vec<String> {
    leased.iter().map(Leased::name).collect()
}

pub(crate) async fn lease_hands_out_the_earliest_by_eta_and_name_and_counts_a_retry(
    shop: Shop,
) -> Result<()> {
    let queue = shop.queue("frames")?;
    queue.add_multi([pull("1").name("b"), pull("2").name("a"), pull("3").name("0").delay("1s")]).await?;
    shop.f.advance(Duration::from_secs(2));
    let leased = queue.lease(2, MINUTE).await?;
    assert_eq!(names(&leased), ["a", "b"]);
    assert_eq!((leased[0].payload(), leased[0].retries()), (&b"2"[..], 0));
    assert_eq!(leased[0].eta(), shop.f.now().after(MINUTE), "the lease sets the eta");
    assert_eq!(names(&queue.lease(9, MINUTE).await?), ["0"]);
    shop.f.advance(MINUTE);
    assert_eq!(queue.lease(1, MINUTE).await?[0].retries(), 1);
    Ok(())
}

pub(crate) async fn lease_hands_out_no_exhausted_task(shop: Shop) -> Result<()> {
    let queue = shop.queue("frames")?;
    queue.add(pull("a").retry(Retry { limit: Some(2), ..Retry::DEFAULT })).await?;
    for retries in 0..=2 {
        assert_eq!(queue.lease(1, MINUTE).await?[0].retries(), retries);
        shop.f.advance(MINUTE);
    }
    assert_eq!(queue.lease(1, MINUTE).await?, []);
    Ok(())
}

pub(crate) async fn lease_takes_1_to_1000_tasks_for_up_to_7_days(shop: Shop) -> Result<()> {
    let queue = shop.queue("frames")?;
    queue.add_multi((0..1001).map(|n| pull(n.to_string()))).await?;
    for (most, length) in
        [(0, MINUTE), (1001, MINUTE), (1, 7 * 24 * 60 * MINUTE + MINUTE), (1, Duration::ZERO)]
    {
        let error = queue.lease(most, length).await.expect_err("refused");
        assert!(error.is_invalid_option(), "{most} {length:?}: {error}");
    }
    assert_eq!(queue.lease(1000, 7 * 24 * 60 * MINUTE).await?.len(), 1000);
    assert!(queue.lease(1, "soon").await.expect_err("refused").is_invalid_duration());
    Ok(())
}

pub(crate) async fn lease_by_tag_takes_the_tag_or_that_of_the_earliest_task(shop: Shop) -> Result<()> {
    let queue = shop.queue("frames")?;
    let tagged = |name: &str, tag: &str| pull("").name(name).tag(tag);
    queue.add_multi([tagged("a", "x"), tagged("b", "y"), tagged("c", "x"), tagged("d", "z")]).await?;
    assert_eq!(names(&queue.lease_by_tag(9, MINUTE, "y").await?), ["b"]);
    assert_eq!(names(&queue.lease_by_tag(9, MINUTE, "").await?), ["a", "c"]);
    assert_eq!(names(&queue.lease_by_tag(9, MINUTE, "").await?), ["d"]);
    Ok(())
}

pub(crate) async fn modify_lease_needs_the_lease_and_refuses_a_lost_one(shop: Shop) -> Result<()> {
    let queue = shop.queue("frames")?;
    queue.add(pull("a")).await?;
    let mut first = queue.lease(1, MINUTE).await?.remove(0);
    queue.modify_lease(&mut first, 2 * MINUTE).await?;
    assert_eq!(first.eta(), shop.f.now().after(2 * MINUTE));
    shop.f.advance(2 * MINUTE);
    let expired = queue.modify_lease(&mut first, MINUTE).await.expect_err("refused");
    assert!(expired.is_lease_expired(), "TaskLeaseExpired");
    assert_eq!(expired.task(), Some(first.id()));
    let second = queue.lease(1, MINUTE).await?.remove(0);
    assert!(queue.modify_lease(&mut first, MINUTE).await.expect_err("refused").is_lease_expired());
    assert!(queue.finish(&first).await.expect_err("refused").is_lease_expired());
    queue.finish(&second).await?;
    let too_long = queue.modify_lease(&mut first, 8 * 24 * 60 * MINUTE).await;
    assert!(too_long.expect_err("refused").is_invalid_option());
    Ok(())
}

pub(crate) async fn modify_lease_of_no_time_releases(shop: Shop) -> Result<()> {
    let queue = shop.queue("frames")?;
    queue.add(pull("a")).await?;
    let mut leased = queue.lease(1, MINUTE).await?.remove(0);
    queue.modify_lease(&mut leased, Duration::ZERO).await?;
    assert_eq!(queue.lease(1, MINUTE).await?.len(), 1);
    Ok(())
}

pub(crate) async fn leases_of_a_paused_queue_and_of_a_push_queue_are_refused(shop: Shop) -> Result<()> {
    let queue = shop.queue("frames")?;
    queue.add(pull("a")).await?;
    let mut leased = queue.lease(1, MINUTE).await?.remove(0);
    shop.f.store().configure(QueueEdit::Pause("frames".to_owned())).await?;
    assert!(queue.lease(1, MINUTE).await.expect_err("refused").is_queue_paused(), "QueuePaused");
    assert!(queue.modify_lease(&mut leased, MINUTE).await.expect_err("refused").is_queue_paused());
    queue.add(pull("b")).await?;
    for push in ["mail", "default"] {
        let refused = shop.queue(push)?.lease(1, MINUTE).await.expect_err("refused");
        assert!(refused.is_invalid_queue_mode(), "{push}: InvalidQueueMode");
    }
    Ok(())
}

pub(crate) async fn headers_come_with_a_leased_task(shop: Shop) -> Result<()> {
    let queue = shop.queue("frames")?;
    queue.add_multi([pull("a").name("a").header("Tenant", "acme"), pull("b").name("b")]).await?;
    let leased = queue.lease(2, MINUTE).await?;
    assert_eq!(leased[0].headers()?.get("tenant"), Some("acme"));
    assert!(leased[1].headers()?.is_empty());
    Ok(())
}
