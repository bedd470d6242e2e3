//! What a process cannot do, and what can be seen of that from outside.

use std::fs;

use delay::process::trap::Trap;
use delay::process::{Cause, Isolation, ProcessPolicy, Services};

use super::fixture::{Log, executor, once, run, started};
use super::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    files_sockets_programs_and_threads_are_refused,
    every_fork_is_refused,
    no_memory_is_executable_or_shared,
    others_cannot_be_signalled,
    what_only_an_attack_calls_ends_the_process,
    there_is_no_environment_and_nothing_open_but_its_own,
    no_descriptor_can_be_added,
    the_container_has_no_rights_and_no_files,
];

async fn succeeds(isolation: Isolation, entry: &str) {
    let served = once(isolation, entry, &[], &ProcessPolicy::default()).await;
    assert_eq!(
        (served.ended.value, served.ended.trap),
        (0, Trap::Exit),
        "{}: {}",
        served.cause,
        served.last_words
    );
}

fn files_sockets_programs_and_threads_are_refused(isolation: Isolation) {
    run(succeeds(isolation, "forbidden"));
}

fn every_fork_is_refused(isolation: Isolation) {
    run(succeeds(isolation, "bomb"));
}

fn no_memory_is_executable_or_shared(isolation: Isolation) {
    run(succeeds(isolation, "executable memory"));
}

fn others_cannot_be_signalled(isolation: Isolation) {
    run(succeeds(isolation, "signal others"));
}

fn what_only_an_attack_calls_ends_the_process(isolation: Isolation) {
    run(async {
        for attack in 0..4 {
            let served = once(isolation, "attack", &[attack], &ProcessPolicy::default()).await;
            assert_eq!(served.cause, Cause::Signal(libc::SIGSYS), "{attack}");
        }
    });
}

fn there_is_no_environment_and_nothing_open_but_its_own(isolation: Isolation) {
    run(async {
        assert!(std::env::vars_os().count() > 0, "there is something that it could have inherited");
        let file = fs::File::open("/proc/self/exe").unwrap();
        let log = Log::default();
        once(isolation, "look around", &[], &ProcessPolicy::default().debug_log(log.clone())).await;
        drop(file);
        assert_eq!(log.text(), "environment []\ndescriptors [0, 1, 2, 3, 4]\n");
    });
}

fn no_descriptor_can_be_added(isolation: Isolation) {
    run(succeeds(isolation, "hoard"));
}

fn the_container_has_no_rights_and_no_files(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        let container = executor.container().unwrap();
        let mut process = started(&executor, "wait", &[]).await;
        let handle = process.handle();
        let serving = tokio::spawn(async move { process.serve(&Services::new()).await.map(drop) });
        handle.began().await;
        let child = loop {
            let status = fs::read_to_string(format!("/proc/{}/status", handle.pid().unwrap())).unwrap();
            // It takes a moment until it has shut itself in.
            if status.contains("Seccomp:\t2") {
                break status;
            }
            tokio::task::yield_now().await;
        };
        for status in [fs::read_to_string(format!("/proc/{container}/status")).unwrap(), child] {
            for line in ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1"] {
                assert!(status.contains(line), "{line} is not in {status}");
            }
            let uid = status.lines().find_map(|line| line.strip_prefix("Uid:\t")).unwrap();
            let root = Isolation::of_this_user() == Isolation::Full;
            if root && isolation != Isolation::SingleUser {
                assert_eq!(uid, "65534\t65534\t65534\t65534", "it is nobody outside");
            }
        }
        if isolation == Isolation::LimitsOnly {
            eprintln!("limits-only: there are no namespaces and no root of its own to look at");
        } else if let Ok(root) = fs::read_dir(format!("/proc/{container}/root")) {
            assert_eq!(root.count(), 0, "its root is empty");
            let its_root = format!("/proc/{container}/root");
            let made = fs::write(format!("{its_root}/x"), "x").unwrap_err();
            assert_eq!(made.raw_os_error(), Some(libc::EROFS), "and cannot be written to");
            for space in ["user", "pid", "mnt", "net", "ipc", "uts"] {
                let of = |who: &str| fs::read_link(format!("/proc/{who}/ns/{space}")).unwrap();
                assert_ne!(of(&container.to_string()), of("self"), "{space}");
            }
        } else {
            eprintln!("this user cannot look into its container from outside: as root it can");
        }
        handle.kill();
        serving.await.unwrap().unwrap();
        stopper.stop().await;
    });
}
