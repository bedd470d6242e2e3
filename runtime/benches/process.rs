//! Child processes: what one costs to have, and to be rid of.
//!
//! `cargo bench -p delay-func --features process --bench process`
//!
//! The host's runtime has one thread, so that the time is the processes' own; where it has several, whoever is woken may be
//! another thread than the one that waits, which costs some 0.1 ms.

#![allow(clippy::unwrap_used)]

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use delay::Context;
use delay::process::{
    Config, Executor, Exit, Factory, Guest, Handled, Image, Instance, Lie, Made, Packet, Pool, Process,
    ProcessPolicy, Service, Services, entry,
};
use delay::stopper::Stopper;
use divan::Bencher;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

fn main() {
    delay::process::init();
    divan::main();
}

entry!("call", |mut guest: Guest| {
    let first = guest.discover("first").ok().flatten().unwrap_or(-2);
    let _ = guest.call(first, b"here");
    Exit::SUCCESS
});
entry!("spin", |_: Guest| loop {
    std::hint::spin_loop();
});

/// A function beside it that runs in a process, so that the feature is used by this program, if not by this function.
#[delay::func("apart", isolate = process)]
async fn apart(_ctx: &Context) {}

/// Tells of the first call, and ends its process.
#[derive(Clone)]
struct First(UnboundedSender<()>);
impl Service for First {
    fn name(&self) -> &str {
        "first"
    }
    fn create(&self, _: Made) -> Box<dyn Instance> {
        Box::new(self.clone())
    }
}
impl Instance for First {
    fn handle(&mut self, _: Packet) -> Result<Handled, Lie> {
        let _ = self.0.send(());
        Ok(Handled::Finish)
    }
}

struct Bench {
    runtime: Runtime,
    stopper: Stopper,
    executor: Executor,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stopper = Stopper::new();
        let executor = runtime.block_on(Executor::start(&stopper, Config::default())).unwrap();
        Self { runtime, stopper, executor }
    }

    /// Starts a process and waits for its first call; what is given back serves it on to its end.
    async fn first_call(&self, process: impl Future<Output = Process> + 'static) -> Serving {
        let (told, mut called) = unbounded_channel();
        let mut serving: Serving = Box::pin(async move {
            let mut process = process.await;
            process.start(&Image::new("call", []), &ProcessPolicy::default()).await.unwrap();
            process.serve(&Services::new().with(First(told))).await.unwrap();
        });
        tokio::select! {
            biased;
            call = called.recv() => call.unwrap(),
            () = &mut serving => unreachable!("it ends at its first call"),
        }
        serving
    }
}

type Serving = Pin<Box<dyn Future<Output = ()>>>;

impl Drop for Bench {
    fn drop(&mut self) {
        self.runtime.block_on(self.stopper.stop());
    }
}

/// From nothing to a container that can fork.
#[divan::bench(sample_count = 50)]
fn container(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bencher
        .bench_local(|| bench.runtime.block_on(Executor::start(&bench.stopper, Config::default())).unwrap());
}

/// From no process to its first call.
#[divan::bench(sample_count = 300)]
fn fresh_process_to_first_call(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bencher.bench_local(|| {
        let executor = bench.executor.clone();
        let fresh = async move { executor.new_process().await.unwrap() };
        bench.runtime.block_on(bench.first_call(fresh))
    });
}

/// The same with a process that was made before.
#[divan::bench(sample_count = 300)]
fn prepared_process_to_first_call(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    let pool =
        bench.runtime.block_on(async { Pool::new(&bench.stopper, Arc::new(bench.executor.clone()), 4) });
    let pool = pool.unwrap();
    let prepared = || {
        bench.runtime.block_on(async {
            let process = pool.new_process().await.unwrap();
            process.handle().began().await;
            // Until the pool has made the next one, too: it would be at it beside what is measured.
            tokio::time::sleep(Duration::from_millis(3)).await;
            process
        })
    };
    bencher
        .with_inputs(prepared)
        .bench_local_values(|process| bench.runtime.block_on(bench.first_call(async { process })));
}

/// From the kill of a process that spins to its being reaped.
#[divan::bench(sample_count = 300)]
fn kill_to_reaped(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    let spinning = || {
        bench.runtime.block_on(async {
            let mut process = bench.executor.new_process().await.unwrap();
            process.start(&Image::new("spin", []), &ProcessPolicy::default()).await.unwrap();
            process.handle().began().await;
            tokio::time::sleep(Duration::from_millis(3)).await;
            process
        })
    };
    bencher.with_inputs(spinning).bench_local_values(|process| bench.runtime.block_on(process.close()));
}

/// A delayed function in its process, from claim to outcome, in a store in memory.
#[divan::bench(sample_count = 100)]
fn function_in_its_process(bencher: Bencher<'_, '_>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let rt = runtime.block_on(async {
        let rt = delay::Runtime::open("memory:").await.unwrap();
        rt.start().await.unwrap();
        rt
    });
    bencher.bench_local(|| {
        runtime.block_on(async {
            let begun = Instant::now();
            Apart::call(&rt).await.unwrap().finished().await.unwrap();
            begun.elapsed()
        })
    });
    runtime.block_on(rt.stop()).unwrap();
}
