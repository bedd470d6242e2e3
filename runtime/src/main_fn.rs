//! What `#[delay::main]` runs: a Tokio runtime around the user's future.

use std::future::Future;

/// Which kind of Tokio runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// Worker threads.
    MultiThread,
    /// The calling thread alone.
    CurrentThread,
}

/// What the attribute says.
#[derive(Clone, Copy, Debug)]
pub struct MainOptions {
    /// Which kind of runtime.
    pub flavor: Flavor,
    /// How many worker threads; as many as there are cores.
    pub worker_threads: Option<usize>,
}

impl MainOptions {
    /// A runtime with a thread per core.
    pub const DEFAULT: Self = Self { flavor: Flavor::MultiThread, worker_threads: None };
}

/// Runs `future` to its end on a multi-threaded runtime.
///
/// # Panics
/// If the system refuses the threads or the event queue that a runtime needs.
pub fn main<T>(future: impl Future<Output = T>) -> T {
    main_with(MainOptions::DEFAULT, future)
}

/// Runs `future` to its end.
///
/// # Panics
/// If the system refuses the threads or the event queue that a runtime needs.
pub fn main_with<T>(options: MainOptions, future: impl Future<Output = T>) -> T {
    // Nothing of the future has run yet, and nothing will in a container.
    #[cfg(feature = "process")]
    crate::process::init();
    let mut builder = match options.flavor {
        Flavor::MultiThread => tokio::runtime::Builder::new_multi_thread(),
        Flavor::CurrentThread => tokio::runtime::Builder::new_current_thread(),
    };
    if let Some(threads) = options.worker_threads {
        builder.worker_threads(threads);
    }
    let runtime =
        builder.enable_all().build().expect("the system gives a runtime its threads and event queue");
    let value = runtime.block_on(future);
    // A plain function that ignores its deadline must not hold up the end of the process.
    runtime.shutdown_background();
    value
}
