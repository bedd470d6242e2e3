//! `delay queues apply`, `pause` and `resume`: what operators do to queues.

use delay::Result;
use serde_json::json;

use super::fixture::{Run, Shop};

const YAML: &str = "\
queue:
- name: mail
  rate: 20/s
  bucket_size: 40
  max_concurrent_requests: 7
  retry_parameters:
    task_retry_limit: 3
- name: frames
  mode: pull
";

/// The program in the shop's folder, where the file is.
fn delay_in(shop: &Shop, args: &[&str]) -> Run {
    let folder = shop.folder.file();
    Run::of(shop.folder.command(args).current_dir(folder.parent().expect("a folder")))
}

fn write(shop: &Shop, name: &str, text: &str) {
    std::fs::write(shop.folder.file().with_file_name(name), text).expect("the folder can be written");
}

#[tokio::test]
async fn a_dry_run_shows_the_change_and_makes_none() -> Result<()> {
    let shop = Shop::open().await?;
    write(&shop, "queue.yaml", YAML);
    let run = delay_in(&shop, &["queues", "apply", "queue.yaml", "--dry-run"]).expect(0);
    assert_eq!(
        run.stdout.lines().collect::<Vec<_>>(),
        [
            "+ mail: mode push, rate 20/s, bucket_size 40, max_concurrent_requests 7, task_retry_limit 3, \
             task_age_limit none, min_backoff_seconds 0.1, max_backoff_seconds 3600, max_doublings 16",
            "+ frames: mode pull",
        ]
    );
    assert_eq!(shop.client.store().queue_configs().await?, []);
    Ok(())
}

#[tokio::test]
async fn an_applied_file_is_kept_listed_and_applied_once() -> Result<()> {
    let shop = Shop::open().await?;
    write(&shop, "queue.yaml", YAML);
    let document = delay_in(&shop, &["queues", "apply", "queue.yaml", "--json"]).json();
    let mail = json!({"mode": "push", "rate": "20/s", "bucket_size": 40, "max_concurrent_requests": 7,
        "target": null, "retry": {"limit": 3, "age_limit": null, "min_backoff": 0.1, "max_backoff": 3600.0,
        "max_doublings": 16}, "tombstone": 3600.0, "paused": false, "stopped": false});
    assert_eq!(document["dry_run"], json!(false));
    assert_eq!(
        document["changes"][0],
        json!({"queue": "mail", "change": "add", "differences": [], "config": mail})
    );
    assert_eq!(document["changes"].as_array().map(Vec::len), Some(2));

    let listed = shop.delay(&["queues", "--json"]).json();
    assert_eq!((&listed["queues"][1]["queue"], &listed["queues"][1]["config"]), (&json!("mail"), &mail));
    let run = shop.delay(&["queues"]).expect(0);
    assert!(
        run.stdout.lines().nth(2).is_some_and(|line| line.contains("push, rate 20/s, bucket_size 40")),
        "{run:?}"
    );

    let again = delay_in(&shop, &["queues", "apply", "queue.yaml"]).expect(0);
    assert_eq!(again.stdout, "nothing to change\n");
    write(&shop, "delay.toml", "[[queue]]\nname = \"mail\"\nrate = \"5/m\"\n");
    let run = delay_in(&shop, &["queues", "apply", "delay.toml"]).expect(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("~ mail: rate 20/s -> 5/m, bucket_size 40 -> 5"), "{run:?}");
    assert_eq!(lines[1], "- frames: no longer named: it stops and keeps its tasks");
    Ok(())
}

#[tokio::test]
async fn every_mistake_of_a_file_is_told_with_its_place_and_nothing_is_applied() -> Result<()> {
    let shop = Shop::open().await?;
    write(&shop, "queue.yaml", "queue:\n- name: mail\n  rate: 20\n  buket_size: 40\n");
    let run = delay_in(&shop, &["queues", "apply", "queue.yaml"]).expect(2);
    for words in [
        "`queue.yaml` has 2 mistakes",
        "queue.yaml:3:",
        "did you mean `20/s`?",
        "queue.yaml:4:3:",
        "`bucket_size`?",
    ] {
        assert!(run.stderr.contains(words), "`{words}` is not in {run:?}");
    }
    let error = delay_in(&shop, &["queues", "apply", "queue.yaml", "--json"]).error();
    assert!(error["causes"][0].as_str().is_some_and(|cause| cause.contains("queue.yaml:3:")), "{error}");
    assert!(delay_in(&shop, &["queues", "apply", "none.yaml"]).expect(2).stderr.contains("none.yaml"));
    assert_eq!(shop.client.store().queue_configs().await?, []);
    Ok(())
}

#[tokio::test]
async fn what_a_file_says_without_effect_is_remarked() -> Result<()> {
    let shop = Shop::open().await?;
    write(&shop, "queue.yaml", "total_storage_limit: 120M\nqueue:\n- name: mail\n");
    let run = delay_in(&shop, &["queues", "apply", "queue.yaml"]).expect(0);
    assert!(run.stderr.contains("queue.yaml:1:1: `total_storage_limit` has no effect"), "{run:?}");
    let document = delay_in(&shop, &["queues", "apply", "queue.yaml", "--json"]).json();
    assert_eq!(document["remarks"][0]["line"], 1);
    Ok(())
}

#[tokio::test]
async fn a_queue_is_paused_and_resumed_by_name() -> Result<()> {
    let shop = Shop::open().await?;
    assert_eq!(shop.delay(&["queues", "pause", "mail"]).expect(0).stdout, "~ mail: paused no -> yes\n");
    assert_eq!(shop.delay(&["queues", "pause", "mail"]).expect(0).stdout, "nothing to change\n");
    assert!(shop.client.store().queue_configs().await?[0].is_paused());
    assert_eq!(shop.delay(&["queues", "resume", "mail"]).expect(0).stdout, "~ mail: paused yes -> no\n");
    assert_eq!(shop.client.store().queue_configs().await?, []);
    shop.delay(&["queues", "pause", "ma/il"]).expect(2);
    Ok(())
}
