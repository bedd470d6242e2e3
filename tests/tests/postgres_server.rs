//! The tests' own PostgreSQL servers: they are real, private, and gone when the test is.

use std::process::{Command, Stdio};

use delay_tests::postgres::{Promise, Replication, Schema, Server, Setup, Stop};
use delay_tests::{in_mount_namespace, mount_tmpfs};

#[test]
fn a_schema_on_the_shared_server_is_ones_own_and_goes_with_the_test() {
    let (first, second) = (Schema::fresh(), Schema::fresh());
    let count = format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{}'", first.name());
    first.psql(&format!("CREATE SCHEMA {}; CREATE TABLE only_here (a int)", first.name()));
    assert_eq!(second.psql("SELECT to_regclass('only_here') IS NULL"), "t");
    assert_eq!(second.psql(&count), "1");
    drop(first);
    assert_eq!(second.psql(&count), "0");
}

#[test]
fn what_a_killed_server_has_committed_is_there_after_its_restart() {
    let mut server = Server::with(&Setup { promise: Promise::Disk, ..Setup::default() });
    server.psql("CREATE TABLE kept (a int); INSERT INTO kept VALUES (7)");
    server.kill9();
    server.restart();
    assert_eq!(server.psql("SELECT a FROM kept"), "7");
    assert_eq!(server.psql("SHOW fsync"), "on");
    server.stop(Stop::Immediate);
    server.restart();
    server.stop(Stop::Fast);
    assert!(server.log().contains("database system is shut down"), "{}", server.log());
}

#[test]
fn a_synchronous_standby_has_all_that_was_committed_when_it_is_promoted() {
    let mut primary = Server::start();
    primary.psql("CREATE TABLE kept (a int)");
    let mut standby = primary.standby(Replication::Synchronous);
    primary.psql("INSERT INTO kept SELECT generate_series(1, 1000)");
    primary.kill9();
    assert_eq!(standby.psql("SELECT pg_is_in_recovery()"), "t");
    standby.promote();
    assert_eq!(standby.psql("INSERT INTO kept VALUES (0); SELECT count(*) FROM kept"), "1001");
    assert_eq!(standby.psql("SHOW synchronous_standby_names"), "");
}

#[test]
fn a_commit_waits_for_a_synchronous_standby_and_not_for_an_asynchronous_one() {
    let primary = Server::start();
    let standby = primary.standby(Replication::Asynchronous);
    standby.freeze();
    primary.psql("CREATE TABLE free (a int)");
    standby.thaw();
    drop(standby);
    let standby = primary.standby(Replication::Synchronous);
    standby.freeze();
    let mut waiting =
        primary.psql_command("jobs").args(["-c", "CREATE TABLE waits (a int)"]).spawn().unwrap();
    primary.until_somebody_waits("SyncRep");
    standby.thaw();
    assert!(waiting.wait().unwrap().success());
}

#[test]
fn the_disk_of_a_server_in_a_small_file_system_fills_up() {
    in_mount_namespace("the_disk_of_a_server_in_a_small_file_system_fills_up", || {
        let place = tempfile::TempDir::new().unwrap();
        mount_tmpfs(place.path(), "size=120m,mode=755");
        open_to_all(place.path());
        let server = Server::with(&Setup { place: Some(place.path().to_owned()), ..Setup::default() });
        server.psql("CREATE TABLE big (a text)");
        let error =
            server.psql_error("INSERT INTO big SELECT repeat('x', 1000) FROM generate_series(1, 200000)");
        assert!(error.contains("No space left on device"), "{error}");
    });
}

/// The folder that a file system is mounted on belongs to us; the server's user has to get through.
fn open_to_all(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
}

const INSIDE: &str = "DELAY_TEST_TO_BE_KILLED";

/// This test runs itself as a process of its own and kills that.
#[test]
fn a_server_dies_with_a_test_that_is_killed() {
    if std::env::var_os(INSIDE).is_some() {
        let server = Server::start();
        println!("port={} folder={}", server.port(), server.socket_folder().display());
        loop {
            std::thread::park();
        }
    }
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["a_server_dies_with_a_test_that_is_killed", "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(test.stdout.take().unwrap()));
    let line = lines.map(Result::unwrap).find(|line| line.contains("port=")).unwrap();
    let (_, said) = line.split_once("port=").unwrap();
    let (port, folder) = said.split_once(" folder=").unwrap();
    let pid_file = std::fs::read_to_string(format!("{folder}/data/postmaster.pid")).unwrap();
    let pid: i32 = pid_file.lines().next().unwrap().parse().unwrap();
    assert!(pid_file.contains(port));
    let server = rustix::process::Pid::from_raw(pid).unwrap();
    test.kill().unwrap();
    test.wait().unwrap();
    let end = std::time::Instant::now() + delay_tests::BOUND;
    while rustix::process::test_kill_process(server).is_ok() && !is_zombie(pid) {
        assert!(std::time::Instant::now() < end, "the server outlives its test");
        std::thread::yield_now();
    }
    while std::path::Path::new(folder).exists() {
        assert!(std::time::Instant::now() < end, "the folder outlives its test");
        std::thread::yield_now();
    }
}

/// It has ended, but whoever takes in orphans here has not yet asked how.
fn is_zombie(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}
