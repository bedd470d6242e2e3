//! Processes that lie to their host, or flood it.

use delay::process::trap::Trap;
use delay::process::{Cause, DISCOVER, Domain, Isolation, MOST, Packet, ProcessPolicy, Services};

use super::fixture::{executor, run, started, started_with};
use super::rows::echo;
use super::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    a_process_that_lies_about_a_length_is_killed,
    a_packet_for_nobody_ends_its_process,
    a_packet_without_an_end_is_a_violation,
    a_discovery_that_makes_no_sense_ends_its_process,
    a_flood_is_not_read_beyond_what_may_be_said,
];

async fn raw(isolation: Isolation, entry: &str, bytes: &[u8]) -> delay::process::Served {
    let (stopper, executor) = executor(isolation, 1).await;
    let mut process = started(&executor, entry, bytes).await;
    let served = process.serve(&Services::new().with(echo())).await.unwrap();
    stopper.stop().await;
    served
}

fn violation(served: &delay::process::Served, word: &str) {
    assert_eq!(served.ended.trap, Trap::AbiViolation, "{served:?}");
    assert!(matches!(&served.cause, Cause::Violation(how) if how.contains(word)), "{}", served.cause);
}

fn header(size: u32, code: i16, domain: u8) -> Vec<u8> {
    [&size.to_le_bytes()[..], &code.to_le_bytes(), &[domain, 0]].concat()
}

fn a_process_that_lies_about_a_length_is_killed(isolation: Isolation) {
    run(async {
        for (size, word) in
            [(MOST as u32 + 1, "longer"), (u32::MAX, "longer"), (7, "shorter"), (0, "shorter")]
        {
            violation(&raw(isolation, "raw", &header(size, 0, 0)).await, word);
        }
        violation(&raw(isolation, "raw", &header(8, 0, 9)).await, "domain");
        let padded = [header(9, 0, 0), vec![0, 1, 1, 1, 1, 1, 1, 1]].concat();
        violation(&raw(isolation, "raw", &padded).await, "padding");
    });
}

fn a_packet_for_nobody_ends_its_process(isolation: Isolation) {
    run(async {
        for code in [0, 5, -2, i16::MIN] {
            violation(&raw(isolation, "raw", &header(8, code, 1)).await, "service");
        }
    });
}

fn a_packet_without_an_end_is_a_violation(isolation: Isolation) {
    run(async {
        violation(&raw(isolation, "raw and end", &header(1000, 0, 0)).await, "no end");
        violation(&raw(isolation, "raw and end", &[8, 0, 0]).await, "no end");
    });
}

fn a_discovery_that_makes_no_sense_ends_its_process(isolation: Isolation) {
    run(async {
        let discovery = |domain, content: &[u8]| {
            let mut wire = Vec::new();
            Packet { code: DISCOVER, domain, index: 0, content: content.to_vec() }.encode(&mut wire);
            wire
        };
        for wrong in [
            discovery(Domain::Call, &[]),
            discovery(Domain::Call, &[1, 0]),
            discovery(Domain::Call, &[1, 0, 0]),
            discovery(Domain::Call, &[1, 0, 9, b'a']),
            discovery(Domain::Call, &[255, 255]),
            discovery(Domain::Call, &[0, 0, 1]),
            discovery(Domain::Info, &[0, 0]),
        ] {
            let served = raw(isolation, "raw", &wrong).await;
            assert_eq!(served.ended.trap, Trap::AbiViolation, "{wrong:?}: {served:?}");
        }
    });
}

fn a_flood_is_not_read_beyond_what_may_be_said(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        let policy =
            ProcessPolicy::default().output(64 << 20).wall_time(std::time::Duration::from_millis(500));
        let mut process = started_with(&executor, "flood", &[], &policy).await;
        let served = process.serve(&Services::new().with(echo())).await.unwrap();
        // Nothing is read from who does not read: it is stuck, and its time runs out.
        assert!(matches!(served.cause, Cause::WallTime(_)), "{}", served.cause);
        assert!(served.buffers.input.len() < 4 << 20, "{} bytes wait for it", served.buffers.input.len());
        stopper.stop().await;
    });
}
