//! `delay retry`, `delay cancel`, `delay delete` on tasks that are named.

use delay::{Result, TaskId, TaskState};
use serde_json::json;

use super::fixture::Shop;

#[tokio::test]
async fn every_id_gets_its_outcome_in_the_order_given() -> Result<()> {
    let shop = Shop::open().await?;
    let filled = shop.fill().await?;
    let unknown = TaskId::new();
    let given = [filled.held, unknown, filled.succeeded, filled.failed].map(|id| id.to_string());
    let [held, unknown, succeeded, failed] = given.each_ref().map(String::as_str);
    let run = shop.delay(&["retry", "--json", held, unknown, succeeded, failed]).expect(1);
    let expected = json!({
        "action": "retry",
        "tasks": [
            {"id": held, "outcome": "done", "state": null},
            {"id": unknown, "outcome": "unknown", "state": null},
            {"id": succeeded, "outcome": "wrong_state", "state": "succeeded"},
            {"id": failed, "outcome": "done", "state": null},
        ],
        "done": 2,
        "refused": 2,
    });
    assert_eq!(run.document(), expected);
    assert_eq!(run.error()["message"], "2 of 4 tasks could not be retried");
    for id in [filled.held, filled.failed] {
        assert_eq!(shop.record(id).await?.map(|record| record.state), Some(TaskState::Ready));
    }
    Ok(())
}

#[tokio::test]
async fn outcomes_are_lines_for_people() -> Result<()> {
    let shop = Shop::open().await?;
    let filled = shop.fill().await?;
    let (ready, succeeded) = (filled.ready.to_string(), filled.succeeded.to_string());
    let run = shop.delay(&["cancel", &ready, &succeeded]).expect(1);
    let rows = run.rows();
    assert_eq!(rows[0], [ready.as_str(), "cancelled"]);
    assert_eq!(rows[1], [succeeded.as_str(), "refused:", "its", "state", "is", "succeeded"]);
    assert!(run.stderr.contains("1 of 2 tasks could not be cancelled"), "{run:?}");
    Ok(())
}

#[tokio::test]
async fn a_running_task_is_cancelled_through_its_worker() -> Result<()> {
    let shop = Shop::open().await?;
    let id = shop.fill().await?.running;
    let document = shop.delay(&["cancel", "--json", &id.to_string()]).json();
    assert_eq!(document["tasks"][0]["outcome"], "asked");
    assert_eq!(shop.record(id).await?.map(|record| record.state), Some(TaskState::Running));
    Ok(())
}

#[tokio::test]
async fn a_running_task_is_not_deleted() -> Result<()> {
    let shop = Shop::open().await?;
    let id = shop.fill().await?.running;
    let run = shop.delay(&["delete", "--yes", &id.to_string()]).expect(1);
    assert!(run.stdout.contains("it is running") && run.stderr.contains("cancelled"), "{run:?}");
    assert!(shop.record(id).await?.is_some());
    Ok(())
}

#[tokio::test]
async fn nothing_is_deleted_without_a_yes() -> Result<()> {
    let shop = Shop::open().await?;
    let id = shop.failed("ada").await?;
    let run = shop.delay(&["delete", &id.to_string()]).expect(2);
    assert!(run.stderr.contains("--yes") && run.stdout.is_empty(), "{run:?}");
    // An answer that nobody typed is none.
    shop.folder.delay_with_input(&["delete", &id.to_string()], "y\n").expect(2);
    assert!(shop.record(id).await?.is_some());

    shop.delay(&["delete", "-y", &id.to_string()]).expect(0);
    assert!(shop.record(id).await?.is_none());
    shop.delay(&["delete", "-y", &id.to_string()]).expect(1);
    Ok(())
}

#[tokio::test]
async fn ids_come_from_standard_input_as_a_listing_has_them() -> Result<()> {
    let shop = Shop::open().await?;
    let (one, two) = (shop.failed("ada").await?, shop.failed("bob").await?);
    let listing = shop.delay(&["tasks", "--state", "failed"]).expect(0).stdout;
    let run = shop.folder.delay_with_input(&["retry", "-", "--json"], &listing);
    let document = run.json();
    assert_eq!(document["done"], 2);
    assert_eq!(document["tasks"][0]["id"], two.to_string());
    assert_eq!(document["tasks"][1]["id"], one.to_string());
    Ok(())
}

#[tokio::test]
async fn an_id_that_is_none_stops_everything_before_it_begins() -> Result<()> {
    let shop = Shop::open().await?;
    let id = shop.failed("ada").await?;
    let run = shop.delay(&["retry", &id.to_string(), "17"]).expect(2);
    assert!(run.stderr.contains("`17` is not a task id"), "{run:?}");
    assert_eq!(shop.record(id).await?.map(|record| record.state), Some(TaskState::Failed));
    Ok(())
}

#[tokio::test]
async fn a_task_is_suspended_and_resumed() -> Result<()> {
    let shop = Shop::open().await?;
    let filled = shop.fill().await?;
    let id = filled.ready.to_string();
    let document = shop.delay(&["suspend", "--json", &id]).json();
    assert_eq!((&document["action"], &document["tasks"][0]["outcome"]), (&json!("suspend"), &json!("done")));
    let held = shop.record(filled.ready).await?.map(|record| (record.state, record.hold));
    assert_eq!(held, Some((TaskState::Held, Some(delay::Hold::Suspended))));
    assert_eq!(shop.delay(&["resume", &id]).rows()[0], [id.as_str(), "resumed"]);
    assert_eq!(shop.record(filled.ready).await?.map(|record| record.state), Some(TaskState::Ready));
    let refused = shop.delay(&["suspend", &filled.succeeded.to_string()]).expect(1);
    assert!(refused.stderr.contains("only ready and running tasks can be suspended"), "{refused:?}");
    let document = shop.delay(&["suspend", "--json", &filled.running.to_string()]).json();
    assert_eq!(document["tasks"][0]["outcome"], "asked");
    Ok(())
}
