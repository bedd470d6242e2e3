//! The rows of the specification's table, by name.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use delay::process::trap::Trap;
use delay::process::{
    Cause, Clock, Config, Executor, Handled, Image, Instance, Intent, Isolation, Lie, Made, Packet,
    ProcessPolicy, Progress, Random, Service, Services, Step,
};
use delay::stopper::Stopper;

use super::fixture::{Log, executor, once, run, served, started, started_with};
use super::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    config_max_procs_of_0_means_16384_and_more_is_an_error,
    process_key_is_comparable_and_never_given_twice,
    policy_time_resolution_is_how_finely_the_clock_tells_the_time,
    policy_debug_log_gets_what_is_printed,
    process_start_takes_one_image_once,
    process_serve_is_for_what_was_started_and_once,
    exit_0_to_3_is_the_result,
    exit_100_to_127_is_that_trap,
    another_exit_code_is_an_internal_error_with_it,
    an_unknown_entry_is_no_function,
    kill_and_suspend_work_any_number_of_times_at_any_time,
    cancelling_serve_suspends,
    dropping_a_process_kills_it,
    close_waits_until_the_process_is_reaped,
    services_are_discovered_called_and_shut_down_with_their_state,
    steps_and_progress_are_kept_while_it_is_suspended,
    who_breaks_the_rules_of_steps_or_progress_is_ended,
    a_large_input_arrives,
];

struct Echo(Arc<Told>);
#[derive(Default)]
struct Told {
    started: AtomicUsize,
    shut_down: Mutex<Vec<bool>>,
}
impl Service for Echo {
    fn name(&self) -> &str {
        "echo"
    }
    fn create(&self, made: Made) -> Box<dyn Instance> {
        Box::new(Echoes { told: Arc::clone(&self.0), heard: made.state.unwrap_or_default() })
    }
}
struct Echoes {
    told: Arc<Told>,
    heard: Vec<u8>,
}
impl Instance for Echoes {
    fn start(&mut self) {
        self.told.started.fetch_add(1, Ordering::SeqCst);
    }
    fn handle(&mut self, packet: Packet) -> Result<Handled, Lie> {
        if packet.content.len() < 100 {
            self.heard.extend(&packet.content);
        }
        Ok(match packet.content.len() % 2 {
            0 => Handled::Answer(packet.content),
            _ => Handled::Later(Box::pin(async { packet.content })),
        })
    }
    fn shut_down(&mut self, suspended: bool) -> Option<Vec<u8>> {
        self.told.shut_down.lock().unwrap().push(suspended);
        suspended.then(|| self.heard.clone())
    }
}

/// The service that gives back what it is asked.
pub(crate) fn echo() -> impl Service + 'static {
    Echo(Arc::default())
}

fn config_max_procs_of_0_means_16384_and_more_is_an_error(isolation: Isolation) {
    run(async {
        let stopper = Stopper::new();
        let config = Config::default().isolation(isolation);
        let executor = Executor::start(&stopper, config).await.unwrap();
        assert_eq!((executor.max_procs(), executor.free()), (16_384, 16_384));
        let error = Executor::start(&stopper, config.max_procs(16_385)).await.unwrap_err();
        assert!(error.is_invalid_option() && error.to_string().contains("16384"), "{error}");
        stopper.stop().await;
        let error = Executor::start(&stopper, config).await.unwrap_err();
        assert!(error.is_stopping(), "{error}");
    });
}

fn process_key_is_comparable_and_never_given_twice(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        let mut keys = Vec::new();
        for _ in 0..20 {
            let process = executor.new_process().await.unwrap();
            keys.push(process.key());
            process.close().await;
        }
        let mut unique = keys.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), keys.len());
        stopper.stop().await;
    });
}

fn policy_time_resolution_is_how_finely_the_clock_tells_the_time(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        let log = Log::default();
        let policy = ProcessPolicy::default().debug_log(log.clone()).time_resolution(Duration::from_secs(1));
        let mut process = executor.new_process().await.unwrap();
        process.start(&Image::new("built in", []), &policy).await.unwrap();
        let services = Services::new().with(Clock).with(Random).with(delay::process::Log);
        let served = process.serve(&services).await.unwrap();
        assert_eq!((served.ended.value, served.ended.trap), (1, Trap::Exit), "{}", served.last_words);
        let nanos: u64 = log.text().trim().parse().unwrap();
        assert!(nanos > 1_700_000_000_000_000_000 && nanos.is_multiple_of(1_000_000_000), "{nanos}");
        stopper.stop().await;
    });
}

fn policy_debug_log_gets_what_is_printed(isolation: Isolation) {
    run(async {
        let log = Log::default();
        let policy = ProcessPolicy::default().debug_log(log.clone());
        once(isolation, "length", &[7; 5], &policy).await;
        assert_eq!(log.text(), "5\n");
        let panicked = once(isolation, "panic", &[], &policy).await;
        assert!(log.text().contains("no more paper"), "standard error as well: {}", log.text());
        assert!(panicked.last_words.contains("no more paper"), "{}", panicked.last_words);
    });
}

fn process_start_takes_one_image_once(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        let mut process = started(&executor, "value", &[2]).await;
        let again = process.start(&Image::new("value", [1]), &ProcessPolicy::default()).await;
        assert!(again.unwrap_err().is_wrong_state());
        assert_eq!(process.serve(&Services::new()).await.unwrap().ended.value, 2, "the first counts");
        stopper.stop().await;
    });
}

fn process_serve_is_for_what_was_started_and_once(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        let mut process = executor.new_process().await.unwrap();
        assert!(process.serve(&Services::new()).await.unwrap_err().is_wrong_state(), "not started");
        process.start(&Image::new("value", [1]), &ProcessPolicy::default()).await.unwrap();
        process.serve(&Services::new()).await.unwrap();
        assert!(process.serve(&Services::new()).await.unwrap_err().is_wrong_state(), "served before");
        stopper.stop().await;
    });
}

fn exit_0_to_3_is_the_result(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        for value in 0..=3 {
            let served = served(&executor, "value", &[value], &ProcessPolicy::default()).await;
            assert_eq!((served.ended.value, served.ended.trap), (value.into(), Trap::Exit));
        }
        stopper.stop().await;
    });
}

fn exit_100_to_127_is_that_trap(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        for id in (0..=10).chain([27]) {
            let served = served(&executor, "trap", &[id], &ProcessPolicy::default()).await;
            assert_eq!(served.ended.trap.id(), id, "{served:?}");
        }
        stopper.stop().await;
    });
}

fn another_exit_code_is_an_internal_error_with_it(isolation: Isolation) {
    run(async {
        let served = once(isolation, "code", &[42], &ProcessPolicy::default()).await;
        assert_eq!((served.ended.value, served.ended.trap), (42, Trap::InternalError));
        assert_eq!(served.cause, Cause::Returned(42));
    });
}

fn an_unknown_entry_is_no_function(isolation: Isolation) {
    run(async {
        let served = once(isolation, "nobody", &[], &ProcessPolicy::default()).await;
        assert_eq!(served.ended.trap, Trap::NoFunction);
    });
}

fn kill_and_suspend_work_any_number_of_times_at_any_time(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        // Before the start.
        for (intent, trap) in [(Intent::Suspend, Trap::Suspended), (Intent::Kill, Trap::Killed)] {
            let mut process = executor.new_process().await.unwrap();
            let handle = process.handle();
            let want = || if intent == Intent::Kill { handle.kill() } else { handle.suspend() };
            want();
            want();
            process.start(&Image::new("wait", []), &ProcessPolicy::default()).await.unwrap();
            let served = process.serve(&Services::new()).await.unwrap();
            assert_eq!(served.ended.trap, trap, "{served:?}");
            want(); // long after the end
            assert_eq!(handle.wanted(), intent);
        }
        // While it runs: a kill after a suspend counts, a suspend after a kill does not.
        let mut process = started(&executor, "spin", &[]).await;
        let handle = process.handle();
        let services = Services::new();
        let serve = process.serve(&services);
        let end = async {
            handle.began().await;
            handle.suspend();
            handle.suspend();
            assert!(handle.pid().is_some(), "it spins, and has not heard");
            handle.kill();
            handle.suspend();
        };
        let (served, ()) = tokio::join!(serve, end);
        assert_eq!(served.unwrap().ended.trap, Trap::Killed);
        // One that works sees what is wanted without listening.
        let mut process = started(&executor, "work", &[]).await;
        process.suspend();
        assert_eq!(process.serve(&Services::new()).await.unwrap().ended.trap, Trap::Suspended);
        stopper.stop().await;
    });
}

fn cancelling_serve_suspends(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        let mut process = started(&executor, "wait", &[]).await;
        let handle = process.handle();
        let served = tokio::time::timeout(Duration::from_millis(20), process.serve(&Services::new())).await;
        assert!(served.is_err(), "it waits");
        assert_eq!(handle.wanted(), Intent::Suspend);
        handle.ended().await; // by itself: `process` is still here
        drop(process);
        stopper.stop().await;
    });
}

fn dropping_a_process_kills_it(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        let process = started(&executor, "spin", &[]).await;
        let handle = process.handle();
        drop(process);
        handle.ended().await;
        assert_eq!((handle.wanted(), executor.free()), (Intent::Kill, 1));
        // And what serves it, dropped together with it.
        let mut process = started(&executor, "spin", &[]).await;
        let handle = process.handle();
        let serving = tokio::spawn(async move { process.serve(&Services::new()).await.map(drop) });
        handle.began().await;
        serving.abort();
        handle.ended().await;
        assert_eq!(handle.wanted(), Intent::Kill);
        stopper.stop().await;
    });
}

fn close_waits_until_the_process_is_reaped(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        for entry in ["spin", "wait", "value"] {
            let process = started(&executor, entry, &[0]).await;
            let pid = process.handle().pid();
            process.close().await;
            assert_eq!(executor.free(), 1);
            if let Some(pid) = pid {
                assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "not even a zombie");
            }
        }
        stopper.stop().await;
    });
}

fn services_are_discovered_called_and_shut_down_with_their_state(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        let told = Arc::new(Told::default());
        let services = Services::new().with(Echo(Arc::clone(&told)));
        let mut process = started(&executor, "echo", &[]).await;
        let served = process.serve(&services).await.unwrap();
        assert_eq!((served.ended.value, served.ended.trap), (3, Trap::Exit), "{}", served.last_words);
        assert_eq!(told.started.load(Ordering::SeqCst), 1);
        assert!(served.buffers.services.is_empty(), "it was not suspended");
        let mut process = started(&executor, "leave", &[]).await;
        let served = process.serve(&services).await.unwrap();
        assert_eq!(served.ended.trap, Trap::Suspended);
        assert_eq!(served.buffers.services, [("echo".to_owned(), b"remember".to_vec())]);
        let mut process = started(&executor, "leave", &[]).await;
        let served = process.serve(&services.resume(&served.buffers)).await.unwrap();
        assert_eq!(served.buffers.services, [("echo".to_owned(), b"rememberremember".to_vec())]);
        assert_eq!(*told.shut_down.lock().unwrap(), [false, true, true]);
        stopper.stop().await;
    });
}

fn steps_and_progress_are_kept_while_it_is_suspended(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        let (log, progress) = (Log::default(), Progress::default());
        let policy = ProcessPolicy::default().debug_log(log.clone());
        let services = Services::new().with(progress.clone()).with(Step);
        let mut process = started_with(&executor, "in steps", &[], &policy).await;
        let served = process.serve(&services).await.unwrap();
        assert_eq!(
            (served.ended.trap, progress.last()),
            (Trap::Suspended, Some((1, 2))),
            "{}",
            served.last_words
        );
        let mut process = started_with(&executor, "in steps", &[], &policy).await;
        let served = process.serve(&services.resume(&served.buffers)).await.unwrap();
        assert_eq!((served.ended.value, progress.last()), (2, Some((2, 2))), "{}", served.last_words);
        assert_eq!(log.text(), "[0]\n[1, 32, 52, 50]\n");
        stopper.stop().await;
    });
}

fn who_breaks_the_rules_of_steps_or_progress_is_ended(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        let services = Services::new().with(Progress::default()).with(Step);
        let key = [&b"step \0\xff"[..], b"short"].concat();
        for input in [&b"progress 0123456789abcdef"[..], b"step ", b"step \x02\x01a", b"step \0\x01ab", &key]
        {
            let mut process = started(&executor, "liar", input).await;
            let served = process.serve(&services).await.unwrap();
            assert_eq!(served.ended.trap, Trap::AbiViolation, "{input:?}: {}", served.cause);
        }
        stopper.stop().await;
    });
}

fn a_large_input_arrives(isolation: Isolation) {
    run(async {
        let log = Log::default();
        let policy = ProcessPolicy::default().debug_log(log.clone());
        once(isolation, "length", &vec![7; 8 << 20], &policy).await;
        assert_eq!(log.text(), format!("{}\n", 8 << 20));
    });
}
