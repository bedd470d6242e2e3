//! `Delete`, `DeleteMulti`, `Purge` and `QueueStats`.

use std::time::Duration;

use delay::Result;
use delay::queues::QueueConfig;
use delay::taskqueue::{post, pull};
use delay_tests::Hand;

use super::shop::Shop;

pub(crate) async fn delete_removes_a_task_and_leaves_a_tombstone(shop: Shop) -> Result<()> {
    let queue = shop.queue("mail")?;
    queue.add(post("/a", "").name("n").delay("1h")).await?;
    queue.delete("n").await?;
    assert_eq!(shop.tasks().await?, 0);
    assert!(queue.delete("n").await.expect_err("refused").is_tombstoned(), "TombstonedTask");
    assert!(queue.add(post("/a", "").name("n")).await.expect_err("refused").is_already_added());
    let id = queue.add(post("/a", "")).await?.id();
    queue.delete(id.to_string()).await?;
    assert!(queue.delete(id.to_string()).await.expect_err("refused").is_unknown_task(), "UnknownTask");
    Ok(())
}

pub(crate) async fn delete_multi_gives_independent_aligned_results(shop: Shop) -> Result<()> {
    let queue = shop.queue("mail")?;
    queue.add(post("/a", "").name("done")).await?;
    Hand::enlist(shop.f.store()).await?.finish_one().await?;
    queue.add_multi([post("/a", "").name("a"), post("/a", "").name("b")]).await?;
    let deleted = queue.delete_multi(["none", "b", "done", "a"]).await?;
    assert!(deleted[0].as_ref().is_err_and(|error| error.is_unknown_task()));
    assert!(deleted[2].as_ref().is_err_and(|error| error.is_tombstoned()));
    assert!(deleted[1].is_ok() && deleted[3].is_ok());
    Ok(())
}

pub(crate) async fn a_tombstone_lasts_as_long_as_its_queue_says(shop: Shop) -> Result<()> {
    let mut config = QueueConfig::new("mail")?;
    config.tombstone = Duration::from_secs(9 * 86_400);
    shop.apply(vec![config]).await?;
    let queue = shop.queue("mail")?;
    queue.add(post("/a", "").name("n")).await?;
    queue.delete("n").await?;
    shop.f.advance(Duration::from_secs(9 * 86_400 - 1));
    assert!(queue.add(post("/a", "").name("n")).await.expect_err("refused").is_already_added());
    shop.f.advance(Duration::from_secs(1));
    queue.add(post("/a", "").name("n")).await?;
    Ok(())
}

pub(crate) async fn purge_removes_every_task_of_the_queue(shop: Shop) -> Result<()> {
    let queue = shop.queue("mail")?;
    queue.add_multi((0..2500).map(|_| post("/a", ""))).await?;
    queue.add(post("/a", "").delay("1h")).await?;
    shop.queue("web")?.add(post("/a", "")).await?;
    assert_eq!(queue.purge().await?, 2501);
    assert_eq!((queue.stats().await?.tasks, shop.queue("web")?.stats().await?.tasks), (0, 1));
    assert_eq!(queue.purge().await?, 0);
    Ok(())
}

pub(crate) async fn queue_stats_count_what_the_original_counted(shop: Shop) -> Result<()> {
    let mut config = QueueConfig::new("mail")?;
    config.rate = Some("30/m".parse()?);
    shop.apply(vec![config, QueueConfig::new("web")?]).await?;
    let queue = shop.queue("mail")?;
    assert_eq!(queue.stats().await?.oldest_eta, None);
    let oldest = shop.f.now();
    queue
        .add_multi([post("/a", ""), post("/b", "").priority(1), post("/c", "").priority(2).delay("5m")])
        .await?;
    let hand = Hand::enlist(shop.f.store()).await?;
    hand.finish_one().await?;
    hand.claim_one().await?;
    let stats = queue.stats().await?;
    assert_eq!((stats.tasks, stats.oldest_eta), (2, Some(oldest)));
    assert_eq!((stats.executed_last_minute, stats.in_flight, stats.enforced_rate), (1, 1, Some(0.5)));
    assert_eq!(shop.queue("web")?.stats().await?.enforced_rate, None);
    Ok(())
}

pub(crate) async fn queue_stats_of_a_pull_queue_count_leases(shop: Shop) -> Result<()> {
    let queue = shop.queue("frames")?;
    queue.add_multi([pull("a"), pull("b"), pull("c")]).await?;
    let leased = queue.lease(2, "1m").await?;
    queue.finish(&leased[0]).await?;
    let stats = queue.stats().await?;
    assert_eq!((stats.tasks, stats.in_flight, stats.executed_last_minute), (2, 1, 1));
    Ok(())
}
