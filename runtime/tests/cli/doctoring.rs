//! `delay doctor` on a SQLite file: each test plants a trouble and sees it named.

use std::os::unix::fs::PermissionsExt as _;

use super::fixture::{Folder, Run, Shop};
use serde_json::Value;

/// A folder with an empty store that nobody has open.
fn store() -> Folder {
    let folder = Folder::new();
    folder.delay(&["migrate"]).expect(0);
    folder
}

fn connection(folder: &Folder) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.file()).expect("the file opens")
}

/// The one finding of a check.
#[track_caller]
fn finding(run: &Run, check: &str) -> Value {
    let document = run.document();
    let findings = document["findings"].as_array().expect("a list");
    let mut fitting = findings.iter().filter(|finding| finding["check"] == check);
    let found = fitting.next().unwrap_or_else(|| panic!("nothing about {check}: {document}")).clone();
    assert!(fitting.next().is_none(), "{document}");
    for field in ["what", "why", "advice"] {
        assert!(found[field].as_str().is_some_and(|text| !text.is_empty()), "{found}");
    }
    found
}

#[test]
fn a_healthy_store_has_no_findings() {
    let folder = store();
    assert_eq!(folder.delay(&["doctor"]).expect(0).stdout, "all is well\n");
    let document = folder.delay(&["doctor", "--json"]).json();
    assert_eq!(document, serde_json::json!({"healthy": true, "findings": []}));
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let folder = Folder::new();
    folder.delay(&["doctor"]).expect(3);
    assert!(folder.names().is_empty());
}

#[test]
fn a_file_that_others_can_read_is_a_finding() {
    let folder = store();
    std::fs::set_permissions(folder.file(), std::fs::Permissions::from_mode(0o644)).expect("a mode");
    let found = finding(&folder.delay(&["doctor", "--json"]).expect(5), "file-mode");
    assert!(found["what"].as_str().is_some_and(|what| what.contains("644")), "{found}");
    assert!(found["advice"].as_str().is_some_and(|advice| advice.contains("chmod 600")), "{found}");
    let text = folder.delay(&["doctor"]).expect(5).stdout;
    assert!(text.starts_with("trouble [file-mode]: ") && text.ends_with("\n1 finding\n"), "{text}");
}

#[test]
fn another_journal_mode_is_a_finding() {
    let folder = store();
    connection(&folder).pragma_update(None, "journal_mode", "delete").expect("a mode");
    finding(&folder.delay(&["doctor", "--json"]).expect(5), "journal");
}

#[test]
fn a_log_that_cannot_be_begun_anew_is_a_finding() {
    let folder = store();
    let (reader, writer) = (connection(&folder), connection(&folder));
    reader.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").expect("a snapshot");
    writer
        .execute_batch("PRAGMA wal_autocheckpoint = 0; CREATE TABLE big(a); INSERT INTO big VALUES (randomblob(70000000))")
        .expect("a long log");
    finding(&folder.delay(&["doctor", "--json"]).expect(5), "wal");
}

#[test]
fn a_file_that_is_mostly_empty_is_a_note() {
    let folder = store();
    connection(&folder)
        .execute_batch("CREATE TABLE big(a); INSERT INTO big VALUES (randomblob(80000000)); DROP TABLE big")
        .expect("empty pages");
    let run = folder.delay(&["doctor", "--json"]).expect(0);
    assert_eq!(finding(&run, "free-pages")["weight"], "note");
    assert_eq!(run.document()["healthy"], true);
}

#[test]
fn tables_of_another_version_are_a_finding() {
    let folder = store();
    let tables: String = connection(&folder)
        .query_row("SELECT name FROM sqlite_schema WHERE name LIKE '%meta%' AND type = 'table'", [], |row| {
            row.get(0)
        })
        .expect("the table with the version");
    connection(&folder)
        .execute_batch(&format!("UPDATE {tables} SET value = value + 1"))
        .expect("a later version");
    finding(&folder.delay(&["doctor", "--json"]).expect(5), "tables");
}

#[tokio::test]
async fn a_store_that_is_less_safe_on_purpose_is_a_note() -> delay::Result<()> {
    let shop = Shop::open().await?;
    let url = format!("{}?durability=process", shop.folder.url());
    let run = shop.delay(&["doctor", "--json", "--store", &url]).expect(0);
    assert_eq!(finding(&run, "durability")["weight"], "note");
    Ok(())
}
