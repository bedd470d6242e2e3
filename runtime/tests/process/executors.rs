//! Executors, factories, distribution and preparation.

use std::sync::Arc;
use std::time::Duration;

use delay::process::trap::Trap;
use delay::process::{
    Cause, Distributor, Executor, Factory, Image, Isolation, Pool, ProcessPolicy, Services,
};

use super::fixture::{executor, run, started};
use super::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    executor_new_process_waits_for_a_free_slot,
    executor_dead_tells_that_the_container_died_unasked,
    executor_ends_with_its_last_clone_and_with_its_stopper,
    a_killed_worker_leaves_no_process_behind,
    factories_are_one_trait,
    distribute_processes_prefers_one_that_is_ready_and_leaves_out_the_dead,
    prepare_processes_keeps_some_ready_and_kills_what_is_left,
];

fn executor_new_process_waits_for_a_free_slot(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        let first = executor.new_process().await.unwrap();
        let handle = first.handle();
        assert!(executor.try_new_process().await.unwrap().is_none());
        let wait = executor.new_process();
        tokio::pin!(wait);
        tokio::select! {
            biased;
            _ = &mut wait => panic!("there is no slot"),
            () = tokio::task::yield_now() => {}
        }
        drop(first);
        let second = wait.await.unwrap();
        handle.ended().await; // reaped before its slot was given on: this does not wait
        assert_ne!(second.key(), handle.key());
        // Whoever gives up waiting takes no slot along.
        let gave_up = tokio::time::timeout(Duration::from_millis(10), executor.new_process()).await;
        assert!(gave_up.is_err());
        second.close().await;
        assert_eq!(executor.free(), 1);
        stopper.stop().await;
    });
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn executor_dead_tells_that_the_container_died_unasked(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 2).await;
        let mut process = started(&executor, "spin", &[]).await;
        let handle = process.handle();
        handle.began().await;
        let pid = handle.pid().unwrap();
        assert!(!executor.is_dead());
        kill(executor.container().unwrap());
        executor.dead().await;
        let served = process.serve(&Services::new()).await.unwrap();
        assert_eq!((served.ended.trap, &served.cause), (Trap::InternalError, &Cause::ExecutorDied));
        let gone = || !std::path::Path::new(&format!("/proc/{pid}/exe")).exists();
        while !gone() {
            tokio::task::yield_now().await; // the kernel ends it; nothing of ours does
        }
        assert!(executor.new_process().await.unwrap_err().is_unavailable());
        assert!(executor.try_new_process().await.unwrap_err().is_unavailable());
        stopper.stop().await;
    });
}

fn executor_ends_with_its_last_clone_and_with_its_stopper(isolation: Isolation) {
    run(async {
        let (stopper, one) = executor(isolation, 1).await;
        let container = one.container().unwrap();
        let other = one.clone();
        drop(one);
        let process = started(&other, "spin", &[]).await;
        let handle = process.handle();
        handle.began().await;
        drop(other);
        handle.ended().await;
        while std::path::Path::new(&format!("/proc/{container}")).exists() {
            tokio::task::yield_now().await;
        }
        stopper.stop().await;
        let (stopper, executor) = executor(isolation, 1).await;
        let mut process = started(&executor, "spin", &[]).await;
        stopper.stop().await;
        assert!(executor.is_dead());
        let served = process.serve(&Services::new()).await.unwrap();
        assert_eq!(served.cause, Cause::ExecutorDied);
    });
}

/// Makes this program a worker that is to be killed: see [`work`].
pub(crate) const WORKER: &str = "DELAY_TEST_WORKER";

/// Has a process spin, says which, and waits for the end.
pub(crate) fn work(mode: &std::ffi::OsStr) -> ! {
    let isolation = match mode.to_str() {
        Some("limits-only") => Isolation::LimitsOnly,
        Some("full") => Isolation::Full,
        _ => Isolation::SingleUser,
    };
    run(async {
        let (_stopper, executor) = executor(isolation, 1).await;
        let mut process = started(&executor, "spin", &[]).await;
        let handle = process.handle();
        handle.began().await;
        println!("{} {}", executor.container().unwrap(), handle.pid().unwrap());
        process.serve(&Services::new()).await.unwrap();
    });
    std::process::exit(1)
}

fn a_killed_worker_leaves_no_process_behind(_: Isolation) {
    use std::io::BufRead as _;
    for isolation in [Isolation::of_this_user(), Isolation::LimitsOnly] {
        let mut worker = std::process::Command::new(std::env::current_exe().unwrap())
            .env(WORKER, isolation.as_str())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(worker.stdout.take().unwrap()).read_line(&mut line).unwrap();
        worker.kill().unwrap();
        worker.wait().unwrap();
        for pid in line.split_whitespace() {
            // Both are orphans now: whoever adopts them reaps them, sooner or later.
            let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let patience = std::time::Instant::now() + Duration::from_secs(20);
            while state().rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X'])) {
                assert!(std::time::Instant::now() < patience, "{pid} lives on");
                std::thread::yield_now();
            }
        }
        assert_eq!(line.split_whitespace().count(), 2, "{line}");
    }
}

fn factories_are_one_trait(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 4).await;
        let executor: Arc<dyn Factory> = Arc::new(executor);
        let pool: Arc<dyn Factory> = Arc::new(Pool::new(&stopper, Arc::clone(&executor), 1).unwrap());
        let both: Arc<dyn Factory> = Arc::new(Distributor::new([Arc::clone(&executor), Arc::clone(&pool)]));
        for factory in [executor, pool, both] {
            let mut process = factory.new_process().await.unwrap();
            process.start(&Image::new("value", [1]), &ProcessPolicy::default()).await.unwrap();
            assert_eq!(process.serve(&Services::new()).await.unwrap().ended.value, 1, "{factory:?}");
            assert!(!factory.is_dead());
        }
        stopper.stop().await;
    });
}

fn distribute_processes_prefers_one_that_is_ready_and_leaves_out_the_dead(isolation: Isolation) {
    run(async {
        let (stopper, one) = executor(isolation, 1).await;
        let (_, two) = (
            0,
            Executor::start(&stopper, delay::process::Config::default().isolation(isolation).max_procs(1))
                .await
                .unwrap(),
        );
        let both = Distributor::new([Arc::new(one.clone()) as Arc<dyn Factory>, Arc::new(two.clone())]);
        let (first, second) = (both.new_process().await.unwrap(), both.new_process().await.unwrap());
        assert_eq!((one.free(), two.free()), (0, 0), "each took one: {first:?}, {second:?}");
        assert!(both.try_new_process().await.unwrap().is_none());
        // Whichever is free first.
        let second_of_two = second.handle();
        let (third, ()) = tokio::join!(both.new_process(), second.close());
        second_of_two.ended().await;
        third.unwrap().close().await;
        // One dies: the other serves on, and what is waited for is not mixed up.
        kill(one.container().unwrap());
        one.dead().await;
        for _ in 0..3 {
            both.new_process().await.unwrap().close().await;
        }
        assert!(!both.is_dead());
        kill(two.container().unwrap());
        two.dead().await;
        assert!(both.is_dead() && both.new_process().await.unwrap_err().is_unavailable());
        drop(first);
        stopper.stop().await;
    });
}

fn prepare_processes_keeps_some_ready_and_kills_what_is_left(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 8).await;
        let pool = Pool::new(&stopper, Arc::new(executor.clone()), 3).unwrap();
        while pool.ready() < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(executor.free(), 5, "three are ready, and no more were made");
        let taken = pool.new_process().await.unwrap();
        while pool.ready() < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(executor.free(), 4, "another was made for it");
        drop(pool);
        taken.close().await;
        while executor.free() < 8 {
            tokio::task::yield_now().await; // the left-overs are killed and reaped
        }
        stopper.stop().await;
    });
}
