//! How the doors of HTTP are joined to a runtime.

use std::sync::Arc;

use super::Runtime;
use crate::background::{Background, Host};
use crate::http::{Auth, BackgroundHost, Dispatcher, Door, Keys, Pages, Parts};

impl Runtime {
    fn parts(&self) -> Parts {
        Parts {
            executor: Arc::clone(&self.executor),
            config: self.config.clone(),
            stopper: self.stopper.clone(),
            pulses: self.pulses.clone(),
        }
    }
}

impl Door {
    /// A door to the functions of this program, for those whom `auth` lets in.
    pub fn new(rt: &Runtime, auth: Auth) -> Self {
        Self::of(rt.parts(), auth)
    }
}

impl Dispatcher {
    /// A dispatcher of the runtime's store that signs with the first of `keys`.
    pub fn new(rt: &Runtime, keys: Keys) -> Self {
        Self::of(rt.parts(), keys)
    }
}

impl Pages {
    /// The pages of this runtime.
    #[must_use]
    pub fn new(rt: &Runtime) -> Self {
        Self::of(rt.parts())
    }
}

impl Background {
    /// Calls that run in this process, under the runtime's stopper.
    #[must_use]
    pub fn in_process(rt: &Runtime) -> Self {
        Self::within(rt.client.clone(), rt.stopper.clone())
    }

    /// Calls that run in requests which `host` sends to this process.
    #[must_use]
    pub fn on(rt: &Runtime, host: Arc<dyn Host>) -> Self {
        Self::of(|_| host, rt.client.clone(), rt.stopper.clone())
    }

    /// Calls that run in requests which this process sends to its own address, through whatever stands in front of it.
    #[must_use]
    pub fn over_http(rt: &Runtime, host: BackgroundHost) -> Self {
        let (client, stopper) = (rt.client.clone(), rt.stopper.clone());
        Self::of(|matchmaker| host.joined(matchmaker, stopper.clone()), client, stopper.clone())
    }
}
