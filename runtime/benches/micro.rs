//! The parts that every task passes through: `cargo bench -p delay-func --bench micro`.

use delay::Context;
use delay::stopper::Stopper;
use delay::testing::Env;

fn main() {
    divan::main();
}

#[delay::func("noop")]
async fn noop(_ctx: &Context, to: &str, count: u64) {
    divan::black_box((to, count));
}

/// A stub: two arguments into a payload, in a task.
#[divan::bench]
fn stub_encode(bencher: divan::Bencher<'_, '_>) {
    bencher.bench(|| Noop::task(divan::black_box("ada@example.com"), divan::black_box(17)));
}

/// Claim, decode, run and settle one task of a hundred, in memory and without spawning.
#[divan::bench]
fn decode_and_dispatch(bencher: divan::Bencher<'_, '_>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    bencher
        .counter(divan::counter::ItemsCount::new(100_u32))
        .with_inputs(|| {
            let env = Env::new();
            runtime.block_on(async {
                for count in 0..100 {
                    Noop::call(&env, "ada@example.com", count).await.expect("it is added");
                }
            });
            env
        })
        .bench_local_values(|env| runtime.block_on(env.drain()).expect("it runs"));
}

/// Admission under a stopper and its release, by one thread and by two.
#[divan::bench(threads = [1, 2])]
fn stopper_admission(bencher: divan::Bencher<'_, '_>) {
    let stopper = Stopper::new();
    bencher.bench(|| stopper.admit("bench").expect("it runs"));
    stopper.request_stop();
}
