//! How the program comes to its store, and what it says when it does not.

use std::process::Command;

use delay::Result;
use delay::rusqlite::Connection;

use super::fixture::{Folder, Run, Shop};

/// Every command that does not make a store.
const COMMANDS: [&[&str]; 8] = [
    &["tasks"],
    &["show", "019abcde-0000-7000-8000-000000000001"],
    &["retry", "019abcde-0000-7000-8000-000000000001"],
    &["cancel", "019abcde-0000-7000-8000-000000000001"],
    &["delete", "019abcde-0000-7000-8000-000000000001", "--yes"],
    &["functions"],
    &["queues"],
    &["workers"],
];

#[test]
fn a_missing_file_is_an_error_and_none_is_made() {
    let folder = Folder::new();
    for command in COMMANDS {
        let run = folder.delay(command).expect(3);
        assert!(run.stderr.contains("there is no such file") && run.stdout.is_empty(), "{run:?}");
    }
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

#[test]
fn without_a_store_both_ways_to_name_one_are_told() {
    for command in COMMANDS.into_iter().chain([["migrate"].as_slice()]) {
        let run = Run::of(Command::new(env!("CARGO_BIN_EXE_delay")).args(command).env_remove("DELAY_STORE"));
        let run = run.expect(2);
        assert!(run.stderr.contains("--store sqlite:") && run.stderr.contains("DELAY_STORE"), "{run:?}");
    }
    let run = Run::of(Command::new(env!("CARGO_BIN_EXE_delay")).arg("tasks").env("DELAY_STORE", ""));
    run.expect(2);
}

#[tokio::test]
async fn the_option_goes_before_the_variable() -> Result<()> {
    let folder = Shop::open().await?.close().await?;
    let url = folder.url();
    for args in [["--store", &url, "queues"], ["queues", "--store", &url]] {
        let mut command = folder.command(&args);
        Run::of(command.env("DELAY_STORE", "sqlite:/nowhere/at/all.db")).expect(0);
    }
    Ok(())
}

#[test]
fn a_url_that_cannot_be_one_is_a_mistake_in_the_command() {
    let folder = Folder::new();
    for (url, advice) in [
        ("jobs.db", "sqlite:jobs.db"),
        ("mysql://localhost/jobs", "no store has the scheme `mysql`"),
        ("sqlite:jobs.db?durable", "durability=disk"),
        ("memory:", "inside one process"),
    ] {
        let run = folder.delay(&["tasks", "--store", url]).expect(2);
        assert!(run.stderr.contains(advice), "{run:?}");
    }
}

#[test]
fn errors_are_json_if_answers_are() {
    let folder = Folder::new();
    let error = folder.delay(&["tasks", "--json"]).expect(3).error();
    assert_eq!(error["code"], "store");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("jobs.db")), "{error}");
    assert!(error["causes"].is_array() && error["help"].is_null(), "{error}");

    let error = folder.delay(&["--json", "tasks", "--colour"]).expect(2).error();
    assert_eq!(error["code"], "usage");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("--colour")), "{error}");
}

#[test]
fn a_wrong_command_line_is_told_apart_from_everything_else() {
    let folder = Folder::new();
    for args in [
        [].as_slice(),
        &["frobnicate"],
        &["tasks", "--state", "done"],
        &["tasks", "--limit", "0"],
        &["tasks", "--oldest", "--newest"],
        &["show"],
        &["show", "17"],
        &["retry"],
        &["retry", "17"],
        &["retry", "--all"],
        &["retry", "--all", "--state", "failed", "019abcde-0000-7000-8000-000000000001"],
        &["retry", "--state", "failed"],
        &["cancel", "--state", "failed", "019abcde-0000-7000-8000-000000000001"],
    ] {
        let run = folder.delay(args).expect(2);
        assert!(!run.stderr.is_empty() && run.stdout.is_empty(), "{args:?}: {run:?}");
    }
}

#[test]
fn help_that_was_asked_for_is_no_mistake() {
    let folder = Folder::new();
    for args in [["--help"], ["--version"]] {
        let run = folder.delay(&args).expect(0);
        assert!(!run.stdout.is_empty() && run.stderr.is_empty(), "{run:?}");
    }
    assert!(folder.delay(&["--help"]).stdout.contains("Exit codes:"));
}

#[test]
fn what_is_no_store_is_left_alone() -> Result<(), delay::BoxError> {
    let folder = Folder::new();
    let text = "not a database, but long enough to be taken for one at first sight\n".repeat(20);
    std::fs::write(folder.file(), &text)?;
    let run = folder.delay(&["tasks"]).expect(3);
    assert!(run.stderr.contains("not a SQLite database"), "{run:?}");
    assert_eq!(std::fs::read_to_string(folder.file())?, text);

    std::fs::remove_file(folder.file())?;
    Connection::open(folder.file())?.execute_batch("CREATE TABLE customer(name TEXT)")?;
    let run = folder.delay(&["tasks"]).expect(3);
    assert!(run.stderr.contains("none of delay's tables"), "{run:?}");
    let run = folder.delay(&["migrate"]).expect(3);
    assert!(run.stderr.contains("another application's database"), "{run:?}");
    assert_eq!(folder.names(), ["jobs.db"]);
    Ok(())
}

#[tokio::test]
async fn looking_leaves_the_one_file_that_was_there() -> Result<()> {
    let shop = Shop::open().await?;
    let filled = shop.fill().await?;
    let folder = shop.close().await?;
    assert_eq!(folder.names(), ["jobs.db"]);
    let id = filled.failed.to_string();
    for command in [["tasks"].as_slice(), &["show", &id], &["functions"], &["queues"], &["workers"]] {
        folder.delay(command).expect(0);
        assert_eq!(folder.names(), ["jobs.db"], "{command:?}");
    }
    folder.delay(&["retry", &id]).expect(0);
    assert_eq!(folder.names(), ["jobs.db"]);
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn colours_are_not_for_pipes() -> Result<()> {
    let folder = Shop::open().await?.close().await?;
    let run = folder.delay(&["tasks", "--store", "sqlite:/nowhere/at/all.db"]).expect(3);
    assert!(!run.stderr.contains('\x1b'), "{run:?}");
    Ok(())
}
