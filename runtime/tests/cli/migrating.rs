//! `delay migrate`: the one command that makes a store.

use delay::rusqlite::Connection;
use delay::{BoxError, Result};

use super::fixture::{Folder, Shop};

#[test]
fn a_dry_run_shows_the_sql_and_makes_nothing() -> Result<(), BoxError> {
    let folder = Folder::new();
    let run = folder.delay(&["migrate", "--dry-run"]).expect(0);
    assert!(folder.names().is_empty(), "{:?}", folder.names());

    // What it shows is all that there is to do.
    Connection::open(folder.file())?.execute_batch(&run.stdout)?;
    let run = folder.delay(&["migrate"]).expect(0);
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
    assert!(run.stdout.contains("were up to date"), "{run:?}");
    folder.delay(&["tasks"]).expect(0);
    Ok(())
}

#[test]
fn a_store_is_made_and_then_up_to_date() {
    let folder = Folder::new();
    let made = folder.delay(&["migrate", "--json"]).json();
    assert!(made["from"].is_null() && made["sql"].is_string(), "{made}");
    assert_eq!(made["dry_run"], false);
    assert_eq!(folder.names(), ["jobs.db"]);

    let again = folder.delay(&["migrate", "--json"]).json();
    assert!(again["sql"].is_null(), "{again}");
    assert_eq!((&again["from"], &again["to"]), (&made["to"], &made["to"]));
    assert!(folder.delay(&["migrate", "--dry-run"]).expect(0).stdout.contains("nothing to do"));
}

#[test]
fn somebodys_own_database_gets_the_tables_only_on_purpose() -> Result<(), BoxError> {
    let folder = Folder::new();
    Connection::open(folder.file())?.execute_batch("CREATE TABLE customer(name TEXT)")?;
    folder.delay(&["migrate", "--dry-run"]).expect(3);
    let shared = format!("{}?shared", folder.url());
    folder.delay(&["migrate", "--store", &shared]).expect(0);
    folder.delay(&["tasks"]).expect(0);
    Ok(())
}

#[test]
fn older_tables_are_not_touched_by_looking_and_brought_up_to_date_by_migrating() -> Result<(), BoxError> {
    let folder = Folder::new();
    // Version 0: what comes before the first script.
    Connection::open(folder.file())?.execute_batch(
        "CREATE TABLE delay_meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
         INSERT INTO delay_meta VALUES('schema', 0);",
    )?;
    let run = folder.delay(&["retry", "019abcde-0000-7000-8000-000000000001"]).expect(3);
    assert!(run.stderr.contains("version 0") && run.stderr.contains("delay migrate"), "{run:?}");
    let migrated = folder.delay(&["migrate", "--json"]).json();
    assert_eq!(migrated["from"], 0);
    folder.delay(&["tasks"]).expect(0);
    Ok(())
}

#[tokio::test]
async fn newer_tables_are_left_alone() -> Result<(), BoxError> {
    let folder = Shop::open().await?.close().await?;
    Connection::open(folder.file())?.execute("UPDATE delay_meta SET value = 1000", [])?;
    for command in [["tasks"].as_slice(), &["migrate"], &["migrate", "--dry-run"]] {
        let run = folder.delay(command).expect(3);
        assert!(run.stderr.contains("version 1000"), "{run:?}");
    }
    Ok(())
}
