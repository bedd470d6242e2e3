//! `delay show`: all that is known of a task.

use delay::{Result, TaskId};
use serde_json::json;

use super::fixture::{GONE, Shop};

#[tokio::test]
async fn a_task_is_shown_with_all_that_it_was_given_and_gave() -> Result<()> {
    let shop = Shop::open().await?;
    let filled = shop.fill().await?;
    let record = shop.record(filled.succeeded).await?.expect("it is kept");
    let task = shop.delay(&["show", &filled.succeeded.to_string(), "--json"]).json()["task"].take();
    let expected = json!({
        "id": filled.succeeded.to_string(),
        "state": "succeeded",
        "queue": "mail",
        "name": "welcome-ada",
        "tag": "vip",
        "priority": 0,
        "function": "delay-func/tests/cli/fixture.rs:welcome-email",
        "arguments": {"to": "ada", "n": 7},
        "payload": null,
        "attempt": 1,
        "epoch": 1,
        "crashes": 0,
        "created": record.created.to_string(),
        "eta": record.eta.to_string(),
        "finished": record.finished.map(|time| time.to_string()),
        "worker": null,
        "hold": null,
        "error": null,
        "headers": [{"name": "Tenant", "value": "42"}],
        "retry": {"limit": 0, "age_limit": null, "min_backoff": 0.1, "max_backoff": 3600.0, "max_doublings": 16},
        "timeout": 90.0,
        "undecodable_options": null,
        "result": "sent",
    });
    assert_eq!(task, expected);

    let text = shop.delay(&["show", &filled.succeeded.to_string()]).expect(0).stdout;
    for line in [
        "function   delay-func/tests/cli/fixture.rs:welcome-email",
        "arguments  {\"to\": \"ada\", \"n\": 7}",
        "state      succeeded",
        "result     \"sent\"",
        "name       welcome-ada",
        "tag        vip",
        "header     Tenant: 42",
        "retry      never",
        "timeout    1m 30s",
    ] {
        assert!(text.lines().any(|found| found == line), "`{line}` is missing in:\n{text}");
    }
    assert!(text.contains(&format!("created    {} (", record.created)), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_held_task_says_why() -> Result<()> {
    let shop = Shop::open().await?;
    let id = shop.held().await?.to_string();
    let task = shop.delay(&["show", &id, "--json"]).json()["task"].take();
    assert_eq!(task["hold"], "unknown function");
    assert_eq!(task["function"], GONE);
    assert_eq!(task["error"], format!("no function {GONE}"));
    let text = shop.delay(&["show", &id]).expect(0).stdout;
    assert!(text.contains("hold       unknown function\n"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_running_task_says_who_runs_it() -> Result<()> {
    let shop = Shop::open().await?;
    let id = shop.fill().await?.running.to_string();
    let worker = shop.worker.0.to_string();
    assert_eq!(shop.delay(&["show", &id, "--json"]).json()["task"]["worker"], worker);
    let text = shop.delay(&["show", &id]).expect(0).stdout;
    assert!(text.contains(&format!("worker     {worker} (host-1/17)\n")), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_payload_that_is_no_call_is_shown_as_it_is() -> Result<()> {
    let shop = Shop::open().await?;
    let array = shop.push_raw(vec![0x93, 1, 2, 3]).await?.to_string();
    let task = shop.delay(&["show", &array, "--json"]).json()["task"].take();
    assert!(task["function"].is_null() && task["arguments"].is_null(), "{task}");
    assert_eq!(task["payload"], json!([1, 2, 3]));
    let text = shop.delay(&["show", &array]).expect(0).stdout;
    assert!(text.contains("[1, 2, 3]") && text.contains("not an invocation"), "{text}");

    let broken = shop.push_raw(vec![0xc1, 0xff]).await?.to_string();
    let task = shop.delay(&["show", &broken, "--json"]).json()["task"].take();
    assert_eq!(task["payload"]["undecodable"], "c1ff");
    shop.delay(&["tasks"]).expect(0);
    Ok(())
}

#[tokio::test]
async fn arguments_nest_as_deep_as_the_queue_takes_them() -> Result<()> {
    let shop = Shop::open().await?;
    let mut payload = b"\x82\xa8function\xa1f\xa9arguments\x81\xa1x".to_vec();
    payload.extend([0x91; 125]);
    payload.push(0xc0);
    let id = shop.push_raw(payload).await?.to_string();
    let run = shop.delay(&["show", &id, "--json"]).expect(0);
    let nested = format!("{}null{}", "[".repeat(125), "]".repeat(125));
    assert!(run.stdout.contains(&nested), "{run:?}");
    Ok(())
}

#[tokio::test]
async fn an_unknown_id_is_told() -> Result<()> {
    let shop = Shop::open().await?;
    let id = TaskId::new().to_string();
    let run = shop.delay(&["show", &id]).expect(1);
    assert!(run.stderr.contains(&id) && run.stdout.is_empty(), "{run:?}");
    let run = shop.delay(&["show", &id, "--json"]).expect(1);
    assert_eq!(run.error()["code"], "failed");
    Ok(())
}
