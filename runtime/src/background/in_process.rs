//! The host within the process: its requests are tasks of the stopper.

use std::sync::Arc;
use std::time::Duration;

use super::matchmaker::Matchmaker;
use super::{Host, stopping};
use crate::context::Headers;
use crate::id::TaskId;
use crate::stopper::Stopper;
use crate::store::Pending;

/// The call is on its way already when its request begins.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct InProcess {
    matchmaker: Arc<Matchmaker>,
    stopper: Stopper,
}

/// A host whose requests arrive at `matchmaker`.
pub(super) fn host(matchmaker: Arc<Matchmaker>, stopper: Stopper) -> Arc<dyn Host> {
    Arc::new(InProcess { matchmaker, stopper })
}

impl Host for InProcess {
    fn start(&self) -> Pending<'_, String> {
        let id = TaskId::new().to_string();
        let (matchmaker, arriving) = (Arc::clone(&self.matchmaker), id.clone());
        let request = async move {
            match matchmaker.arrive(&arriving, PATIENCE).await {
                Ok(job) => job(arriving, Headers::default()).await,
                Err(none) => tracing::debug!(id = arriving, %none, "a background request found no call"),
            }
        };
        let started = self.stopper.run_async_task("delay::background", request);
        Box::pin(std::future::ready(started.map(|_| id).map_err(|_| stopping())))
    }
}
