//! What the doors need of a runtime, and the workers that they start beside its own.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::{Error, Kind, Result};
use crate::executor::Executor;
use crate::stopper::Stopper;
use crate::store::{Queues, Store};
use crate::worker::{Pulses, Worker, WorkerConfig};

/// A runtime, as doors know it.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) executor: Arc<Executor>,
    pub(crate) config: WorkerConfig,
    pub(crate) stopper: Stopper,
    pub(crate) pulses: Pulses,
}

impl Parts {
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        self.executor.client.store()
    }

    /// Starts a worker of its own for some queues. `what` is added to the name of the runtime's worker.
    pub(super) fn start_worker(
        &self,
        what: &'static str,
        executor: Arc<Executor>,
        queues: watch::Receiver<Queues>,
    ) -> Result<()> {
        let name = format!("{} {what}", self.config.name);
        let worker = Worker {
            store: Arc::clone(self.store()),
            executor,
            stopper: self.stopper.clone(),
            config: WorkerConfig { name, queues, ..self.config.clone() },
        };
        worker.start("delay::http::worker", &self.pulses).map_err(|_| stopping())
    }
}

pub(super) fn stopping() -> Error {
    Error::new(Kind::Stopping, "the runtime is stopping or has stopped: open another one")
}
