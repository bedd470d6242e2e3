//! Many ends at once.

use delay::process::trap::Trap;
use delay::process::{Image, Isolation, ProcessPolicy, Services};

use super::fixture::{executor, run};
use super::{Test, tests};

pub(crate) const TESTS: &[Test] =
    tests![a_storm_of_kills_and_suspends_with_one_slot, a_storm_of_processes_with_many_slots];

/// Numbers that look random and are the same in every run.
fn dice(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn a_storm_of_kills_and_suspends_with_one_slot(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 1).await;
        let mut seed = 88_172_645_463_325_252;
        for round in 0..300 {
            let mut process = executor.new_process().await.unwrap();
            let handle = process.handle();
            let entry = ["wait", "work", "value"][(dice(&mut seed) % 3) as usize];
            let wants: Vec<bool> =
                (0..1 + dice(&mut seed) % 5).map(|_| dice(&mut seed).is_multiple_of(2)).collect();
            let killed = wants.contains(&true);
            // Any moment of the process's life: counted in turns of the runtime, not in time.
            let turns = dice(&mut seed) % 3000;
            let storm = tokio::spawn(async move {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                for kill in wants {
                    if kill { handle.kill() } else { handle.suspend() }
                }
            });
            process.start(&Image::new(entry, [1]), &ProcessPolicy::default()).await.unwrap();
            let served = process.serve(&Services::new()).await.unwrap();
            storm.await.unwrap();
            match served.ended.trap {
                Trap::Exit => assert!(entry == "value" && served.ended.value == 1, "{round}: {served:?}"),
                Trap::Killed => assert!(killed, "{round}: {served:?}"),
                Trap::Suspended => assert!(entry != "value", "{round}: {served:?}"),
                _ => panic!("{round}, {entry}: {served:?}"),
            }
            assert_eq!(executor.free(), 1, "{round}");
        }
        stopper.stop().await;
    });
}

fn a_storm_of_processes_with_many_slots(isolation: Isolation) {
    run(async {
        let (stopper, executor) = executor(isolation, 32).await;
        let mut running = tokio::task::JoinSet::new();
        for number in 0..400_u32 {
            let executor = executor.clone();
            running.spawn(async move {
                let mut process = executor.new_process().await.unwrap();
                let entry = if number % 3 == 0 { "spin" } else { "value" };
                process
                    .start(&Image::new(entry, [(number % 4) as u8]), &ProcessPolicy::default())
                    .await
                    .unwrap();
                if number % 3 == 0 {
                    process.kill();
                }
                let served = process.serve(&Services::new()).await.unwrap();
                match number % 3 {
                    0 => assert_eq!(served.ended.trap, Trap::Killed),
                    _ => {
                        assert_eq!((served.ended.value, served.ended.trap), ((number % 4) as i32, Trap::Exit))
                    }
                }
            });
        }
        while let Some(done) = running.join_next().await {
            done.unwrap();
        }
        assert_eq!(executor.free(), 32);
        stopper.stop().await;
    });
}
