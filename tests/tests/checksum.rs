//! The `checksum` example on real trees: killed at any moment and started again, it prints what `sha256sum` prints.

#![allow(clippy::unwrap_used)] // a test fails by panicking
#![cfg(target_os = "linux")] // where names may be any bytes, and `sha256sum` is the one of coreutils

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use delay::{Client, TaskState};
use rustix::process::Signal;
use tempfile::TempDir;

#[path = "examples/program.rs"]
mod program;
#[path = "checksum/tree.rs"]
mod tree;

use program::{Ended, Running, example};
use tree::{Random, assert_same, grow, sums};

/// A folder for the store beside a tree of so many files.
struct Place(TempDir);

impl Place {
    fn with_files(files: usize) -> Self {
        let place = Self(TempDir::new().unwrap());
        fs::create_dir(place.tree()).unwrap();
        grow(&place.tree(), files);
        place
    }

    fn tree(&self) -> PathBuf {
        self.0.path().join("a tree")
    }

    fn command(&self) -> Command {
        let mut command = example("checksum", self.0.path());
        command.arg(self.tree());
        command
    }

    /// To the superuser every file is readable: unless the right to that is taken away.
    fn command_without_privileges(&self) -> Command {
        let command = self.command();
        if !rustix::process::geteuid().is_root() {
            return command;
        }
        let mut without = Command::new("setpriv");
        without.args(["--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search", "--"]);
        without.arg(command.get_program()).args(command.get_args()).current_dir(self.0.path());
        without.env_remove("DELAY_STORE").stdin(Stdio::null());
        without
    }

    fn run(&self) -> Ended {
        Running::start(&mut self.command()).end()
    }

    /// How many tasks the store has in each state.
    async fn tasks(&self) -> Vec<(TaskState, u64)> {
        let url = format!("sqlite:{}", self.0.path().join("delay.db").display());
        let client = Client::open(url).await.unwrap();
        let counts = client.store().counts().await.unwrap();
        client.store().close().await.unwrap();
        counts.into_iter().map(|count| (count.state, count.tasks)).collect()
    }
}

/// The files that could not be read.
fn failures(ended: &Ended) -> Vec<&str> {
    ended.stderr.lines().filter(|line| line.contains("/a tree")).collect()
}

#[tokio::test]
async fn a_run_that_is_killed_again_and_again_ends_with_what_sha256sum_prints() {
    const FILES: usize = 5_200;
    let place = Place::with_files(FILES);
    let mut random = Random(7);
    let mut killed = 0;
    for round in 0..8 {
        let checksum = Running::start(&mut place.command());
        // Whether it came so far, or had ended before, does not matter here.
        let _ = match round {
            2 => true,                        // killed before it has done anything
            7 => checksum.stdout.shows("\n"), // killed while it prints
            _ => checksum.stderr.shows(&format!("checksum: {} of ", 250 * (1 + random.below(20)))),
        };
        checksum.signal(Signal::KILL);
        let ended = checksum.end();
        killed += u32::from(ended.status.signal() == Some(9));
        assert_eq!(failures(&ended), Vec::<&str>::new());
    }
    assert!(killed > 0, "it was never killed in time");

    let ended = place.run();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    assert_same(&ended.stdout, &sums(&place.tree()));
    assert_eq!(place.tasks().await, [(TaskState::Succeeded, FILES as u64)], "one task per file");
}

#[tokio::test]
async fn an_interrupted_run_drains_and_says_how_to_go_on() {
    let place = Place::with_files(1_000);
    // The last file. So large that it is being read when the signal comes; yet it takes no room on the disk.
    let endless = place.tree().join(OsStr::from_bytes(b"\xff\xff\xff"));
    fs::File::create(&endless).unwrap().set_len(1 << 40).unwrap();

    let checksum = Running::start(&mut place.command());
    assert!(checksum.stderr.shows("checksum: 1000 of 1001 files"), "it ended: {}", checksum.stderr.text());
    checksum.signal(Signal::INT);
    let ended = checksum.end();
    assert_eq!(ended.status.code(), Some(128 + 2), "{}: {}", ended.status, ended.stderr);
    assert!(ended.stderr.contains("the same command goes on from here"), "{}", ended.stderr);
    assert_eq!(ended.stdout, b"", "half a list is none");
    assert_eq!(place.tasks().await, [(TaskState::Ready, 1), (TaskState::Succeeded, 1_000)]);

    fs::remove_file(endless).unwrap();
    let ended = place.run();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    assert_same(&ended.stdout, &sums(&place.tree()));
}

#[tokio::test]
async fn a_later_run_reads_only_what_is_new_or_has_changed() {
    let place = Place::with_files(300);
    let (changed, gone, new) = (place.tree().join("1"), place.tree().join("2"), place.tree().join("3"));
    fs::write(&changed, "before").unwrap();
    fs::write(&gone, "").unwrap();
    assert_same(&place.run().stdout, &sums(&place.tree()));
    assert_eq!(place.tasks().await, [(TaskState::Succeeded, 302)]);

    fs::write(&changed, "afterwards").unwrap();
    fs::remove_file(&gone).unwrap();
    fs::write(&new, "").unwrap();
    assert_same(&place.run().stdout, &sums(&place.tree()));
    assert_eq!(place.tasks().await, [(TaskState::Succeeded, 304)], "two tasks more");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_fails_alone_and_is_tried_again_by_the_next_run() {
    let place = Place::with_files(300);
    let (secret, locked) = (place.tree().join("secret"), place.tree().join("locked"));
    fs::create_dir(&locked).unwrap();
    let readable = sums(&place.tree());
    fs::write(&secret, "nobody may read this").unwrap();
    fs::write(locked.join("inside"), "").unwrap();
    let everything = sums(&place.tree());
    let forbid = |mode| {
        for path in [&secret, &locked] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    };

    forbid(0o000);
    let ended = Running::start(&mut place.command_without_privileges()).end();
    forbid(0o700);
    assert_eq!(ended.status.code(), Some(1), "{}: {}", ended.status, ended.stderr);
    assert_same(&ended.stdout, &readable);
    let failures = failures(&ended);
    assert_eq!(failures.len(), 2, "{failures:?}");
    for path in [&secret, &locked] {
        let line = failures.iter().find(|line| line.contains(path.to_str().unwrap())).unwrap();
        assert!(line.contains("Permission denied"), "{line}");
    }
    assert_eq!(place.tasks().await, [(TaskState::Succeeded, 300), (TaskState::Failed, 1)]);

    let ended = place.run();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    assert_same(&ended.stdout, &everything);
    assert_eq!(
        place.tasks().await,
        [(TaskState::Succeeded, 302)],
        "the failed task has run again, as itself"
    );
}
