//! `delay retry`, `delay cancel`, `delay delete` on tasks that filters choose.

use delay::{Enqueue as _, Result, TaskState};

use super::fixture::{Shop, Welcome};

#[tokio::test]
async fn all_that_the_filters_let_through_are_retried_and_no_others() -> Result<()> {
    let shop = Shop::open().await?;
    let other = shop.failed("zoe").await?;
    let filled = shop.fill().await?;
    let args = ["retry", "--json", "--state", "failed", "--queue", "mail", "--all"];
    let run = shop.delay(&args).expect(2);
    assert!(
        run.error()["message"].as_str().is_some_and(|text| text.contains("Retry 2 failed tasks?")),
        "{run:?}"
    );

    let document = shop.delay(&[args.as_slice(), &["--yes"]].concat()).json();
    assert_eq!(document["done"], 2);
    for id in [filled.failed, other] {
        assert_eq!(shop.record(id).await?.map(|record| record.state), Some(TaskState::Ready));
    }
    assert_eq!(shop.record(filled.held).await?.map(|record| record.state), Some(TaskState::Held));
    Ok(())
}

#[tokio::test]
async fn a_function_narrows_what_is_deleted() -> Result<()> {
    let shop = Shop::open().await?;
    let filled = shop.fill().await?;
    shop.delay(&["delete", "--state", "held", "--function", "welcome-email", "--all", "--yes"]).expect(0);
    assert!(shop.record(filled.held).await?.is_some());
    shop.delay(&["delete", "--state", "held", "--function", "gone", "--all", "--yes"]).expect(0);
    assert!(shop.record(filled.held).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn nothing_to_do_is_done_without_a_question() -> Result<()> {
    let shop = Shop::open().await?;
    let run = shop.delay(&["delete", "--state", "failed", "--all"]).expect(0);
    assert!(run.stdout.is_empty() && run.stderr.contains("no task was deleted"), "{run:?}");
    assert_eq!(shop.delay(&["delete", "--state", "failed", "--all", "--json"]).json()["done"], 0);
    Ok(())
}

#[tokio::test]
async fn more_tasks_than_a_page_holds_are_all_acted_upon() -> Result<()> {
    let shop = Shop::open().await?;
    shop.client.add_all((0..501).map(|n| Welcome::task("all".to_owned(), n).delay("1h"))).await?;
    let args = ["cancel", "--json", "--state", "scheduled", "--all", "--yes"];
    assert_eq!(shop.delay(&args).json()["done"], 501);
    assert_eq!(shop.delay(&args).json()["done"], 0);
    Ok(())
}

#[tokio::test]
async fn a_state_in_which_it_cannot_be_done_refuses_each_task() -> Result<()> {
    let shop = Shop::open().await?;
    shop.fill().await?;
    let run = shop.delay(&["retry", "--json", "--state", "succeeded", "--all", "--yes"]).expect(1);
    assert_eq!(run.document()["tasks"][0]["outcome"], "wrong_state");
    Ok(())
}
