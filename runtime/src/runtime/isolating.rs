//! How functions that want processes of their own get them.

use std::sync::Arc;

use super::Builder;
use crate::process::{Apart, Isolation};
use crate::registry::Registry;
use crate::stopper::Stopper;

impl Builder {
    /// How functions that run in processes of their own are kept away from the machine: by default as this program's
    /// user is entitled to. Nothing weaker is ever taken instead: a machine that does not grant it makes
    /// [`start`](super::Runtime::start) fail, with [`is_not_isolated`](crate::Error::is_not_isolated).
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }
}

/// Where such functions run, if there are any.
pub(super) fn apart(registry: &Registry, stopper: &Stopper, isolation: Isolation) -> Option<Arc<Apart>> {
    registry.has_isolated().then(|| Arc::new(Apart::new(stopper.clone(), isolation)))
}
