//! Names: what a name is, and bad ones on their way in.

use delay::taskqueue::{post, pull};
use delay::{Client, Context, Result};

use super::shop::Shop;

#[delay::func("named")]
async fn named(_ctx: &Context) {}

/// What tries to be more than a name: paths, ends of strings, quotes, and ten kilobytes.
fn bad() -> Vec<String> {
    let kilobytes = "x".repeat(10 << 10);
    let bad = [
        "",
        "../",
        "../../etc/passwd",
        "a/b",
        "nul\0",
        "\0",
        "'",
        "\"",
        "'; DROP TABLE delay_task; --",
        "`",
        "a b",
        "a\n",
    ];
    bad.iter().map(|name| (*name).to_owned()).chain([kilobytes]).collect()
}

pub(crate) async fn bad_task_names_are_refused_with_a_short_message(shop: Shop) -> Result<()> {
    for name in bad() {
        let tasks =
            [Named::task().name(&*name), post("/a", "").name(&*name), pull("").queue("frames").name(&*name)];
        for task in tasks {
            let error = task.add(&shop.client).await.expect_err("refused");
            assert!(error.is_invalid_name() && error.to_string().len() < 600, "{name:?}: {error}");
        }
        assert!(shop.queue("mail")?.delete(name).await.expect_err("refused").is_unknown_task());
    }
    assert_eq!(shop.tasks().await?, 0);
    Ok(())
}

pub(crate) async fn bad_queue_names_are_refused_with_a_short_message(shop: Shop) -> Result<()> {
    for name in bad() {
        let short = |error: delay::Error| error.is_invalid_queue() && error.to_string().len() < 600;
        assert!(shop.client.taskqueue(&*name).is_err_and(short), "{name:?}");
        assert!(post("/a", "").queue(name.clone()).add(&shop.client).await.is_err_and(short), "{name:?}");
        assert!(Named::task().queue(name.clone()).add(&shop.client).await.is_err_and(short), "{name:?}");
        assert!(delay::queues::QueueConfig::new(&*name).is_err_and(short), "{name:?}");
    }
    assert_eq!(shop.tasks().await?, 0);
    Ok(())
}

pub(crate) async fn a_tag_may_be_any_text_of_500_bytes(shop: Shop) -> Result<()> {
    let queue = shop.queue("frames")?;
    for tag in ["../", "nul\0", "'; DROP TABLE delay_task; --", "ä", &"x".repeat(500)] {
        queue.add(pull("a").tag(tag)).await?;
        let leased = queue.lease_by_tag(9, "1m", tag).await?;
        assert_eq!(leased.iter().map(|leased| leased.tag()).collect::<Vec<_>>(), [Some(tag)]);
    }
    assert!(queue.add(pull("a").tag("x".repeat(10 << 10))).await.expect_err("refused").is_invalid_tag());
    Ok(())
}

pub(crate) async fn names_are_of_500_characters_and_queues_of_100_at_most(shop: Shop) -> Result<()> {
    let queue = shop.queue("mail")?;
    queue.add(post("/a", "").name("A-z_0".repeat(100))).await?;
    assert!(
        queue
            .add(post("/a", "").name("A-z_0".repeat(100) + "x"))
            .await
            .expect_err("refused")
            .is_invalid_name()
    );
    let client: &Client = &shop.client;
    assert!(client.taskqueue("A-z-0".repeat(20)).is_ok());
    assert!(client.taskqueue("A-z-0".repeat(20) + "x").is_err_and(|error| error.is_invalid_queue()));
    Ok(())
}
