//! `delay queues`, `delay workers`, `delay functions`: the store as a whole.

use std::time::Duration;

use delay::store::Enlist;
use delay::{Function as _, Result};
use serde_json::json;

use super::fixture::{GONE, Shop, Welcome};

#[tokio::test]
async fn queues_are_counted_by_state() -> Result<()> {
    let shop = Shop::open().await?;
    shop.fill().await?;
    let none = json!({"ready": 0, "scheduled": 0, "running": 0, "held": 0, "succeeded": 0, "failed": 0,
        "cancelled": 0, "config": null});
    let queue = |name: &str, counts: serde_json::Value, total: u64| {
        let mut queue = none.clone();
        let fields = queue.as_object_mut().expect("it is an object");
        fields.extend(counts.as_object().expect("it is an object").clone());
        fields.extend([("queue".to_owned(), json!(name)), ("total".to_owned(), json!(total))]);
        queue
    };
    let mail = json!({"scheduled": 1, "running": 1, "succeeded": 1, "failed": 1, "cancelled": 1});
    let expected =
        [queue("bulk", json!({"ready": 1}), 1), queue("jobs", json!({"held": 1}), 1), queue("mail", mail, 5)];
    assert_eq!(shop.delay(&["queues", "--json"]).json(), json!({"queues": expected}));

    let run = shop.delay(&["queues"]).expect(0);
    let heads = "QUEUE READY SCHEDULED RUNNING HELD SUCCEEDED FAILED CANCELLED TOTAL CONFIGURATION";
    assert!(
        run.stdout.lines().next().is_some_and(|line| line.split_whitespace().eq(heads.split(' '))),
        "{run:?}"
    );
    assert_eq!(run.rows()[2], ["mail", "0", "1", "1", "0", "1", "1", "1", "5", "-"]);
    Ok(())
}

#[tokio::test]
async fn workers_that_live_are_told_with_what_they_hold() -> Result<()> {
    let shop = Shop::open().await?;
    shop.fill().await?;
    // Its lease has run out before anybody can look.
    let silent = Enlist { name: "host-2/18".to_owned(), lease: Duration::ZERO, functions: Vec::new() };
    shop.client.store().enlist(silent).await?;
    let document = shop.delay(&["workers", "--json"]).json();
    let [living] = document["workers"].as_array().expect("there is a list").as_slice() else {
        panic!("{document}");
    };
    assert_eq!(living["id"], shop.worker.0.to_string());
    assert_eq!(living["name"], "host-1/17");
    assert_eq!((&living["alive"], &living["running"]), (&json!(true), &json!(1)));
    assert_eq!(living["functions"], json!([Welcome::id(), "elsewhere/src/a.rs:x"]));
    assert!(living["lease_until"].as_str() > living["enlisted"].as_str(), "{living}");

    let run = shop.delay(&["workers"]).expect(0);
    let rows = run.rows();
    assert_eq!(rows[0][1], "host-1/17");
    assert!(rows.len() == 1 && rows[0].contains(&"ends"), "{run:?}");
    Ok(())
}

#[tokio::test]
async fn functions_are_those_that_workers_announce_and_those_that_tasks_wait_for() -> Result<()> {
    let shop = Shop::open().await?;
    shop.fill().await?;
    let silent =
        Enlist { name: "dead/1".to_owned(), lease: Duration::ZERO, functions: vec!["dead:f".to_owned()] };
    shop.client.store().enlist(silent).await?;
    let function = |function: &str, workers: &[&str], waiting: u64| {
        // This program has no functions of its own.
        json!({"function": function, "linked": null, "workers": workers, "waiting": waiting})
    };
    let goodbye = "delay-func/tests/cli/fixture.rs:goodbye-email";
    let expected = json!({"functions": [
        function(goodbye, &[], 1),
        function(Welcome::id(), &["host-1/17"], 2),
        function("elsewhere/src/a.rs:x", &["host-1/17"], 0),
        function(GONE, &[], 1),
    ]});
    assert_eq!(shop.delay(&["functions", "--json"]).json(), expected);

    let run = shop.delay(&["functions"]).expect(0);
    assert_eq!(run.rows()[0], [goodbye, "0", "1", "-", "-", "-", "-"]);
    Ok(())
}

#[tokio::test]
async fn stats_are_those_of_the_process_and_need_no_store() -> Result<()> {
    let shop = Shop::open().await?;
    let document = shop.delay(&["stats", "--json"]).json();
    assert!(document["ram"]["current"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{document}");
    assert_eq!(document["ram"]["current"], document["ram"]["average_1m"], "there is one sample");
    assert!(document["cpu"]["total"].as_f64().is_some_and(|seconds| seconds < 60.0), "{document}");
    let run = shop.delay(&["stats"]).expect(0);
    for what in ["CPU time", "CPU, 10 min", "Memory, 1 min", "Memory limit", "/proc/self/status"] {
        assert!(run.stdout.contains(what), "{run:?}");
    }
    Ok(())
}
