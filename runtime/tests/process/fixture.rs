//! An executor under a stopper, and short words for what tests do with it.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use delay::process::{Config, Executor, Image, Isolation, Process, ProcessPolicy, Served, Services};
use delay::stopper::Stopper;

/// Runs `test` on a runtime of its own. What hangs for a minute has failed.
pub(crate) fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let done = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await });
    runtime.shutdown_background();
    done.expect("the test hangs");
}

pub(crate) async fn executor(isolation: Isolation, max_procs: usize) -> (Stopper, Executor) {
    let stopper = Stopper::new();
    let config = Config::default().isolation(isolation).max_procs(max_procs);
    let executor =
        Executor::start(&stopper, config).await.unwrap_or_else(|error| panic!("{}", error.chain()));
    (stopper, executor)
}

pub(crate) async fn started(executor: &Executor, entry: &str, input: &[u8]) -> Process {
    started_with(executor, entry, input, &ProcessPolicy::default()).await
}

pub(crate) async fn started_with(
    executor: &Executor,
    entry: &str,
    input: &[u8],
    policy: &ProcessPolicy,
) -> Process {
    let mut process = executor.new_process().await.unwrap();
    process.start(&Image::new(entry, input), policy).await.unwrap();
    process
}

/// Runs an entry to its end, without services.
pub(crate) async fn served(executor: &Executor, entry: &str, input: &[u8], policy: &ProcessPolicy) -> Served {
    let mut process = started_with(executor, entry, input, policy).await;
    process.serve(&Services::new()).await.unwrap()
}

/// Runs an entry to its end in an executor of its own.
pub(crate) async fn once(isolation: Isolation, entry: &str, input: &[u8], policy: &ProcessPolicy) -> Served {
    let (stopper, executor) = executor(isolation, 1).await;
    let served = served(&executor, entry, input, policy).await;
    assert_eq!(executor.free(), 1, "the slot is free as soon as the end is told");
    stopper.stop().await;
    served
}

/// A debug log that can be read.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
