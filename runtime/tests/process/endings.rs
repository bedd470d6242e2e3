//! What ends a process: each limit and each fault, alone and with its name, and the host unharmed.

use std::time::{Duration, Instant};

use delay::process::trap::Trap;
use delay::process::{Cause, Isolation, ProcessPolicy};

use super::fixture::{executor, once, run, served};
use super::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    a_spin_ends_at_its_cpu_limit,
    a_sleep_ends_at_its_wall_time,
    a_leak_ends_at_its_memory_limit,
    an_abort_is_told,
    a_fault_is_told,
    a_stack_overflow_is_told,
    endless_output_ends_at_its_limit,
    one_ends_and_the_others_go_on,
];

fn a_spin_ends_at_its_cpu_limit(isolation: Isolation) {
    run(async {
        let limit = Duration::from_millis(200);
        let served = once(isolation, "spin", &[], &ProcessPolicy::default().cpu_time(limit)).await;
        assert_eq!((served.ended.trap, &served.cause), (Trap::Suspended, &Cause::CpuTime(limit)));
        // The timer and the account are not read at the same moment.
        let least = limit - Duration::from_millis(50);
        assert!(served.usage.cpu >= least && served.usage.cpu < limit + Duration::from_secs(1), "{served:?}");
    });
}

fn a_sleep_ends_at_its_wall_time(isolation: Isolation) {
    run(async {
        let (limit, begun) = (Duration::from_millis(100), Instant::now());
        let served = once(isolation, "wait", &[], &ProcessPolicy::default().wall_time(limit)).await;
        assert_eq!((served.ended.trap, &served.cause), (Trap::Killed, &Cause::WallTime(limit)));
        assert!(begun.elapsed() >= limit && served.time >= limit);
    });
}

fn a_leak_ends_at_its_memory_limit(isolation: Isolation) {
    run(async {
        let limit = 64 << 20;
        let served = once(isolation, "leak", &[], &ProcessPolicy::default().memory(limit)).await;
        assert_eq!((served.ended.trap, &served.cause), (Trap::InternalError, &Cause::Memory(limit)));
        assert_eq!(served.cause.to_string(), "it ran out of its memory of 64 MiB");
        assert!((16 << 20..128 << 20).contains(&served.usage.peak_memory), "{served:?}");
    });
}

fn an_abort_is_told(isolation: Isolation) {
    run(async {
        let served = once(isolation, "abort", &[], &ProcessPolicy::default()).await;
        assert_eq!((served.ended.trap, &served.cause), (Trap::InternalError, &Cause::Signal(libc::SIGABRT)));
    });
}

fn a_fault_is_told(isolation: Isolation) {
    run(async {
        let served = once(isolation, "fault", &[], &ProcessPolicy::default()).await;
        assert_eq!((served.ended.trap, &served.cause), (Trap::InternalError, &Cause::Signal(libc::SIGSEGV)));
    });
}

fn a_stack_overflow_is_told(isolation: Isolation) {
    run(async {
        let served = once(isolation, "overflow", &[], &ProcessPolicy::default()).await;
        assert_eq!((served.ended.trap, &served.cause), (Trap::CallStackExhausted, &Cause::StackOverflow));
    });
}

fn endless_output_ends_at_its_limit(isolation: Isolation) {
    run(async {
        let policy = ProcessPolicy::default().output(1 << 20).debug_log(std::io::sink());
        let served = once(isolation, "talk", &[], &policy).await;
        assert_eq!((served.ended.trap, &served.cause), (Trap::Killed, &Cause::Output(1 << 20)));
    });
}

fn one_ends_and_the_others_go_on(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 8).await;
        let policy = ProcessPolicy::default().memory(64 << 20).cpu_time(Duration::from_millis(200));
        let bad = ["spin", "leak", "abort", "fault", "overflow", "panic", "bomb"];
        let bad = bad.map(|entry| served(&executor, entry, &[], &policy));
        let [spin, leak, abort, fault, overflow, panic, bomb] = bad;
        let good = served(&executor, "value", &[3], &policy);
        let (_, _, _, _, _, _, bomb, good) =
            tokio::join!(spin, leak, abort, fault, overflow, panic, bomb, good);
        assert_eq!((bomb.ended.value, bomb.ended.trap), (0, Trap::Exit), "every fork was refused");
        assert_eq!((good.ended.value, good.ended.trap), (3, Trap::Exit));
        assert_eq!(executor.free(), 8);
        assert!(!executor.is_dead());
        stopper.stop().await;
    });
}
