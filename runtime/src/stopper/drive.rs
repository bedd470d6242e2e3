//! Who runs the steps of a stop: a task of its own on the runtime at hand, else a thread of its own.
//!
//! Not the callers of `stop`: a caller may drop its future, or keep it and never poll it again, and neither may hold
//! up the others. It never knows what the steps are; they can be taken up again where they were left, and that is
//! what happens if the runtime goes away under the driver: a thread goes on.

use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};

use super::shared::Shared;

/// Starts to drive. The caller's runtime is preferred to the one the stopper was made in: it is surely alive.
pub(super) fn start(shared: Arc<Shared>) {
    let runtime = Handle::try_current().ok().or_else(|| shared.home.clone());
    let drive = Drive { shared: Some(shared) };
    match runtime {
        Some(runtime) => drop(runtime.spawn(drive.run())),
        None => drop(drive),
    }
}

/// Runs `future` on the caller's runtime or, if there is none, on a thread of its own.
pub(super) fn detach(future: impl Future<Output = ()> + Send + 'static) {
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(future)),
        Err(_none) => on_own_thread(future),
    }
}

/// A stop on its way. Dropped before its end, it goes on by itself.
struct Drive {
    shared: Option<Arc<Shared>>,
}

impl Drive {
    async fn run(mut self) {
        if let Some(shared) = &self.shared {
            shared.finish().await;
        }
        self.shared = None;
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            on_own_thread(async move { shared.finish().await });
        }
    }
}

fn on_own_thread(future: impl Future<Output = ()> + Send + 'static) {
    let work = || match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => tracing::error!(%error, "cannot build a runtime to finish the stop; it will not end"),
    };
    if let Err(error) = thread::Builder::new().name("stopper".to_owned()).spawn(work) {
        tracing::error!(%error, "cannot start a thread to finish the stop; it will not end");
    }
}
