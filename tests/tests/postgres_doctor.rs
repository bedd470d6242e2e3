//! `delay doctor` on a real PostgreSQL server: each test plants a trouble and sees it named.

use std::process::Command;

use delay_tests::postgres::{Promise, Replication, Server, Setup};
use serde_json::Value;

/// A server without troubles, but for those that are planted; no autovacuum comes in between.
fn healthy(settings: &[(&'static str, &str)]) -> Server {
    let own = [("autovacuum_naptime", "1d"), ("timezone", "UTC")];
    let settings = own.iter().chain(settings).map(|(name, value)| (*name, (*value).to_owned())).collect();
    let server = Server::with(&Setup { promise: Promise::Disk, settings, ..Setup::default() });
    let migrated = delay(&server.url("schema=own"), &["migrate"]);
    assert_eq!(migrated.0, 0, "{migrated:?}");
    server
}

/// The exit code, and standard output.
fn delay(url: &str, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_embedded_cli"));
    let output = command.args(args).env("DELAY_STORE", url).output().expect("the program starts");
    let code = output.status.code().expect("a code");
    assert!(code != 1 && code != 3, "{}", String::from_utf8_lossy(&output.stderr));
    (code, String::from_utf8(output.stdout).expect("text"))
}

/// The exit code and the findings, with every transaction taken for an old one.
fn examine(url: &str) -> (i32, Vec<Value>) {
    let (code, out) = delay(url, &["doctor", "--json", "--older-than", "0s"]);
    let document: Value = serde_json::from_str(&out).expect("JSON");
    let findings = document["findings"].as_array().expect("a list").clone();
    assert_eq!(document["healthy"], code == 0, "{document}");
    (code, findings)
}

/// The one finding; it must be about `check`, and say `what`.
#[track_caller]
fn only(server: &Server, check: &str, what: &str) -> Value {
    let (code, findings) = examine(&server.url("schema=own"));
    assert_eq!(findings.len(), 1, "{findings:?}");
    let finding = findings[0].clone();
    assert_eq!(finding["check"], check, "{finding}");
    for field in ["what", "why", "advice"] {
        assert!(finding[field].as_str().is_some_and(|text| !text.is_empty()), "{finding}");
    }
    assert!(finding["what"].as_str().is_some_and(|text| text.contains(what)), "{finding}");
    assert_eq!(code, if finding["weight"] == "trouble" { 5 } else { 0 }, "{finding}");
    finding
}

fn advice(finding: &Value) -> &str {
    finding["advice"].as_str().expect("text")
}

#[test]
fn a_healthy_server_has_no_findings() {
    let server = healthy(&[]);
    assert_eq!(delay(&server.url("schema=own"), &["doctor"]), (0, "all is well\n".to_owned()));
    assert_eq!(examine(&server.url("schema=own")), (0, Vec::new()));
}

#[test]
fn a_session_that_is_idle_in_a_transaction_is_found() {
    let server = healthy(&[]);
    let session = server.session("SET application_name = 'forgetful'; BEGIN; SELECT 1");
    let finding = only(&server, "idle-in-transaction", "`forgetful`");
    assert!(advice(&finding).contains("pg_terminate_backend("), "{finding}");
    let (code, out) = delay(&server.url("schema=own"), &["doctor"]);
    assert_eq!((code, out.as_str()), (0, "all is well\n"), "five minutes have not passed");
    drop(session);
}

#[test]
fn a_query_that_keeps_its_snapshot_is_found() {
    let server = healthy(&[]);
    let mut psql = server.psql_command("jobs").args(["-c", "SELECT pg_sleep(3600)"]).spawn().expect("psql");
    server.until_somebody_waits("PgSleep");
    only(&server, "old-snapshot", "has kept a snapshot open");
    psql.kill().expect("killed");
    psql.wait().expect("ended");
}

#[test]
fn a_prepared_transaction_that_nobody_ends_is_found() {
    let server = healthy(&[("max_prepared_transactions", "5")]);
    server.psql("BEGIN; CREATE TABLE half (a int); PREPARE TRANSACTION 'it''s half'");
    let finding = only(&server, "prepared-transaction", "it's half");
    assert!(advice(&finding).contains("ROLLBACK PREPARED 'it''s half'"), "{finding}");
    server.psql("ROLLBACK PREPARED 'it''s half'");
    assert_eq!(examine(&server.url("schema=own")), (0, Vec::new()));
}

#[test]
fn a_replication_slot_that_nobody_reads_is_found() {
    let server = healthy(&[]);
    server.psql("SELECT pg_create_physical_replication_slot('left_over', true)");
    server.psql("CREATE TABLE log AS SELECT generate_series(1, 10000)");
    let finding = only(&server, "replication-slot", "`left_over` is used by nobody");
    assert!(advice(&finding).contains("pg_drop_replication_slot('left_over')"), "{finding}");
}

#[test]
fn a_standby_that_holds_rows_back_is_found() {
    let server = healthy(&[]);
    let standby = server.standby(Replication::Asynchronous);
    standby.configure_by_file("hot_standby_feedback = on\nwal_receiver_status_interval = '1s'\n");
    let query = standby.session("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class");
    burn(&server, 200_100);
    let feedback = "EXISTS (SELECT FROM pg_stat_replication WHERE age(backend_xmin) > 200000)";
    server.until("feedback of the standby", feedback);
    only(&server, "standby-feedback", "keeps rows of the last");
    drop(query);
}

/// Uses up so many transaction numbers.
fn burn(server: &Server, transactions: u32) {
    server.psql(&format!(
        "DO $$ BEGIN FOR i IN 1..{transactions} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    ));
}

#[test]
fn a_table_with_more_dead_rows_than_living_ones_is_found() {
    let server = healthy(&[]);
    fill(&server, 60_000, 10);
    server.psql("DELETE FROM own.task");
    let finding = only(&server, "dead-rows", "`task` has 60000 dead rows");
    assert!(advice(&finding).contains("VACUUM \"own\".\"task\""), "{finding}");
}

#[test]
fn a_table_that_is_mostly_empty_space_is_found() {
    let server = healthy(&[]);
    fill(&server, 60_000, 1000);
    server.psql("DELETE FROM own.task WHERE eta < 60000");
    server.psql("VACUUM (ANALYZE) own.task");
    only(&server, "bloat", "`task` takes");
}

/// Adds rows with payloads of so many bytes; the last one has the highest eta and the last place in the table.
fn fill(server: &Server, rows: u32, bytes: u32) {
    server.psql(&format!(
        "INSERT INTO own.task (id, eta, created, place, priority, queue, payload) \
         SELECT gen_random_uuid(), i, 0, 1, 0, 'q', convert_to(repeat('x', {bytes}), 'UTF8') \
         FROM generate_series(1, {rows}) i"
    ));
}

#[test]
fn a_server_or_a_table_without_autovacuum_is_found() {
    let server = healthy(&[]);
    server.psql("ALTER TABLE own.task SET (autovacuum_enabled = false)");
    let finding = only(&server, "autovacuum", "autovacuum is off for `task`");
    server.psql(advice(&finding));
    assert_eq!(examine(&server.url("schema=own")), (0, Vec::new()), "the advice helped");
    server.configure(&[("autovacuum", "off")]);
    only(&server, "autovacuum", "`autovacuum` is off");
}

#[test]
fn a_database_that_vacuum_does_not_freeze_in_time_is_found() {
    let server = healthy(&[("autovacuum_freeze_max_age", "100000")]);
    let holding = server.session("BEGIN; SELECT pg_current_xact_id()");
    burn(&server, 160_000);
    let (code, findings) = examine(&server.url("schema=own"));
    let checks: Vec<_> = findings.iter().map(|finding| finding["check"].as_str().expect("text")).collect();
    // Who holds vacuum back is named, too.
    assert_eq!((code, checks), (5, vec!["idle-in-transaction", "freeze-age"]), "{findings:?}");
    drop(holding);
}

#[test]
fn an_index_that_is_missing_or_not_valid_is_found_with_the_sql_that_makes_it() {
    let server = healthy(&[]);
    for (plant, what) in [
        ("DROP INDEX own.task_ready", "`task_ready` is missing"),
        ("ALTER TABLE own.worker DROP CONSTRAINT worker_id", "`worker_id` is missing"),
        ("DROP INDEX own.history_id", "`history_id` is missing"),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'own.task_scheduled'::regclass",
            "`task_scheduled` is there, but not valid",
        ),
    ] {
        server.psql(plant);
        let finding = only(&server, "index", what);
        server.psql(advice(&finding));
        assert_eq!(examine(&server.url("schema=own")), (0, Vec::new()), "the advice helped: {finding}");
    }
}

#[test]
fn history_without_partitions_is_found() {
    let server = healthy(&[]);
    let names = "SELECT string_agg(inhrelid::regclass::text, ',') FROM pg_inherits \
                 WHERE inhparent = 'own.history'::regclass AND inhrelid <> 'own.history_default'::regclass";
    let partitions = server.psql(names);
    assert!(!partitions.is_empty());
    server.psql(&format!("DROP TABLE {partitions}"));
    only(&server, "partition", "no partition for what will expire");
    server.psql(
        "INSERT INTO own.history SELECT gen_random_uuid(), (extract(epoch FROM now()) * 1e6)::int8 + 1, 0, 0, 0, 1, 1, \
         0, 4, 0, 'q', NULL, NULL, NULL, '', NULL, NULL",
    );
    let (code, findings) = examine(&server.url("schema=own"));
    assert!(code == 5 && findings.len() == 2, "{findings:?}");
    assert!(
        findings[1]["what"].as_str().is_some_and(|what| what.contains("1 finished tasks")),
        "{findings:?}"
    );
}

#[test]
fn settings_that_break_what_the_store_promises_are_found() {
    let server = healthy(&[]);
    server.configure(&[("full_page_writes", "off")]);
    only(&server, "durability", "`full_page_writes` is off");
    server.configure(&[("full_page_writes", "on"), ("fsync", "off")]);
    only(&server, "durability", "`fsync` is off");
    server.configure(&[("fsync", "on")]);
    // What a session of ours sets right itself is no trouble, but good to know.
    server.psql("ALTER ROLE delay SET synchronous_commit = off");
    assert_eq!(only(&server, "durability", "`synchronous_commit` is `off`")["weight"], "note");
    server.psql("ALTER ROLE delay RESET synchronous_commit");
    let (code, findings) = examine(&server.url("schema=own&durability=replicated"));
    assert!(code == 5 && findings.len() == 1, "{findings:?}");
    assert!(findings[0]["what"].as_str().is_some_and(|what| what.contains("is empty")), "{findings:?}");
    let standby = server.standby(Replication::Synchronous);
    assert_eq!(examine(&server.url("schema=own&durability=replicated")), (0, Vec::new()));
    drop(standby);
    server.until("the standby is gone", "NOT EXISTS (SELECT FROM pg_stat_replication)");
    let (code, findings) = examine(&server.url("schema=own&durability=replicated"));
    assert!(code == 5 && findings.len() == 1, "{findings:?}");
    assert!(findings[0]["what"].as_str().is_some_and(|what| what.contains("is connected")), "{findings:?}");
}

#[test]
fn another_time_zone_is_a_note() {
    let server = healthy(&[]);
    server.psql("ALTER DATABASE jobs SET TimeZone = 'Europe/Berlin'");
    assert_eq!(only(&server, "time-zone", "`Europe/Berlin`")["weight"], "note");
}

#[test]
fn a_user_who_sees_little_is_told_so() {
    let server = healthy(&[]);
    server.psql("CREATE ROLE plain LOGIN PASSWORD 'plain'");
    server.psql("GRANT USAGE ON SCHEMA own TO plain; GRANT SELECT ON ALL TABLES IN SCHEMA own TO plain");
    let url = format!("postgres://plain:plain@127.0.0.1:{}/jobs?schema=own", server.port());
    let (code, findings) = examine(&url);
    assert!(code == 0 && findings.len() == 1 && findings[0]["check"] == "rights", "{findings:?}");
    server.psql("GRANT pg_read_all_stats TO \"plain\"");
    assert_eq!(examine(&url), (0, Vec::new()));
}
