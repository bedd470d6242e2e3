//! `delay tasks`: which tasks, in which order, and what of them.

use delay::{Result, TaskId};
use serde_json::Value;

use super::fixture::{Folder, GONE, Shop, Welcome};

fn ids(document: &Value) -> Vec<TaskId> {
    let tasks = document["tasks"].as_array().expect("there is a list");
    let id = |task: &Value| task["id"].as_str().expect("an id is a string").parse().expect("it is an id");
    tasks.iter().map(id).collect()
}

fn listed(folder: &Folder, filters: &[&str]) -> Vec<TaskId> {
    let args = [["tasks", "--json", "--oldest"].as_slice(), filters].concat();
    ids(&folder.delay(&args).json())
}

#[tokio::test]
async fn the_newest_come_first_unless_the_oldest_are_wanted() -> Result<()> {
    let shop = Shop::open().await?;
    let mut oldest_first = shop.fill().await?.oldest_first().to_vec();
    assert_eq!(listed(&shop.folder, &[]), oldest_first);
    oldest_first.reverse();
    for args in [["tasks", "--json"].as_slice(), &["tasks", "--json", "--newest"]] {
        assert_eq!(ids(&shop.delay(args).json()), oldest_first);
    }
    Ok(())
}

#[tokio::test]
async fn each_filter_narrows_the_choice() -> Result<()> {
    let shop = Shop::open().await?;
    let filled = shop.fill().await?;
    let of = |filters: &[&str]| listed(&shop.folder, filters);
    assert_eq!(of(&["--state", "held"]), [filled.held]);
    assert_eq!(of(&["--queue", "bulk"]), [filled.ready]);
    assert_eq!(of(&["--name", "welcome-ada"]), [filled.succeeded]);
    assert_eq!(of(&["--function", "goodbye-email"]), [filled.cancelled, filled.scheduled]);
    assert_eq!(of(&["--function", "goodbye-email", "--state", "scheduled"]), [filled.scheduled]);
    assert_eq!(of(&["--queue", "nobodys"]), []);
    Ok(())
}

#[tokio::test]
async fn a_function_is_found_by_identity_key_or_a_part_that_is_its_own() -> Result<()> {
    let shop = Shop::open().await?;
    let filled = shop.fill().await?;
    let of = |function: &str| listed(&shop.folder, &["--function", function]);
    for function in [GONE, "gone", "old-app", "jobs.rs:g"] {
        assert_eq!(of(function), [filled.held], "{function}");
    }
    // A worker announces it, and no task calls it.
    assert_eq!(of("elsewhere/src/a.rs:x"), []);

    let run = shop.delay(&["tasks", "--function", "email"]).expect(2);
    assert!(run.stderr.contains("welcome-email") && run.stderr.contains("goodbye-email"), "{run:?}");
    let run = shop.delay(&["tasks", "--function", "farewell"]).expect(2);
    assert!(run.stderr.contains("delay functions"), "{run:?}");
    Ok(())
}

#[tokio::test]
async fn a_limit_says_that_it_has_left_tasks_out() -> Result<()> {
    let shop = Shop::open().await?;
    let filled = shop.fill().await?;
    let document = shop.delay(&["tasks", "--json", "--limit", "2"]).json();
    assert_eq!(ids(&document), [filled.ready, filled.scheduled]);
    assert_eq!(document["more"], true);
    assert_eq!(shop.delay(&["tasks", "--json", "--limit", "7"]).json()["more"], false);

    let run = shop.delay(&["tasks", "--limit", "2"]).expect(0);
    assert_eq!(run.rows().len(), 2);
    assert!(run.stderr.contains("there are more"), "{run:?}");
    Ok(())
}

#[tokio::test]
async fn a_listing_of_many_pages_has_each_task_once() -> Result<()> {
    use delay::Enqueue as _;
    let shop = Shop::open().await?;
    shop.client.add_all((0..1001).map(|n| Welcome::task("all".to_owned(), n))).await?;
    let all = listed(&shop.folder, &["--limit", "5000"]);
    assert_eq!(all.len(), 1001);
    assert!(all.is_sorted());
    assert_eq!(listed(&shop.folder, &["--limit", "400"]), all[..400]);
    assert_eq!(listed(&shop.folder, &[]).len(), 50);
    Ok(())
}

#[tokio::test]
async fn a_line_tells_the_gist_of_a_task() -> Result<()> {
    let shop = Shop::open().await?;
    let filled = shop.fill().await?;
    let run = shop.delay(&["tasks", "--oldest"]).expect(0);
    let heads: Vec<&str> = run.stdout.lines().next().into_iter().flat_map(str::split_whitespace).collect();
    assert_eq!(heads, ["ID", "STATE", "QUEUE", "FUNCTION", "NAME", "AGE", "ATTEMPT", "ETA", "ERROR"]);
    let rows = run.rows();
    assert_eq!(rows.len(), 7);
    let welcome = "delay-func/tests/cli/fixture.rs:welcome-email";
    assert_eq!(
        rows[0][..5],
        [filled.succeeded.to_string().as_str(), "succeeded", "mail", welcome, "welcome-ada"]
    );
    // An error of two lines stays on one.
    assert_eq!(rows[1][1], "failed");
    assert_eq!(rows[1][6..], ["1", "-", "mailbox", "is", "full"]);
    assert_eq!(rows[2][..5], [filled.held.to_string().as_str(), "held", "jobs", GONE, "-"]);
    assert_eq!(rows[5][1], "scheduled");
    assert_eq!(rows[5][7], "in");
    Ok(())
}

#[tokio::test]
async fn an_error_cannot_steer_the_terminal() -> Result<()> {
    let shop = Shop::open().await?;
    Welcome::call(&shop.client, "ada".to_owned(), 1).await?;
    let error = format!("\x1b[2J{}", "long ".repeat(100));
    let id = shop.end(delay::Transition::Fail { error: error.clone() }).await?.to_string();
    let run = shop.delay(&["tasks"]).expect(0);
    assert!(!run.stdout.contains('\x1b') && run.stdout.contains("\\u{1b}[2J"), "{run:?}");
    assert!(run.stdout.lines().all(|line| line.chars().count() < 250), "{run:?}");
    assert!(!shop.delay(&["show", &id]).expect(0).stdout.contains('\x1b'));
    // JSON is for programs: they get what was written.
    assert_eq!(shop.delay(&["show", &id, "--json"]).json()["task"]["error"], error);
    Ok(())
}

#[tokio::test]
async fn an_empty_store_has_an_empty_list() -> Result<()> {
    let shop = Shop::open().await?;
    assert_eq!(ids(&shop.delay(&["tasks", "--json"]).json()), []);
    assert_eq!(shop.delay(&["tasks"]).expect(0).rows().len(), 0);
    shop.client.store().close().await
}
