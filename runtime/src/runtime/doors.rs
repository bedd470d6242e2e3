//! How the doors of HTTP are joined to a runtime.

use std::sync::Arc;

use super::Runtime;
use crate::background::{Background, Host};
#[cfg(feature = "oidc")]
use crate::error::Result;
#[cfg(feature = "oidc")]
use crate::http::oidc::Issuer;
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

#[cfg(feature = "oidc")]
impl Issuer {
    /// The issuer whose keys are at `jwks_uri`, such as `https://www.googleapis.com/oauth2/v3/certs`. They are fetched now,
    /// every hour, and when somebody comes with an unknown key, but then not more than once in five minutes; until the
    /// runtime stops. The keys that are known stay when they cannot be fetched.
    ///
    /// ```no_run
    /// use delay::http::oidc::{Callers, Issuer, Policy};
    /// use delay::http::{Auth, Door};
    ///
    /// # async fn example(rt: delay::Runtime) -> delay::Result<()> {
    /// let callers = Callers::Emails(vec!["tasks@my-project.iam.gserviceaccount.com".to_owned()]);
    /// let policy = Policy::new("https://accounts.google.com", "https://example.com/_ah/queue/go/delay", callers);
    /// let issuer = Issuer::fetched(&rt, "https://www.googleapis.com/oauth2/v3/certs").await?;
    /// let door = Door::new(&rt, Auth::token(policy, issuer));
    /// # drop(door); Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If they cannot be fetched this first time, or none of them can be used.
    ///
    /// # Cancel safety
    /// Dropped, nothing was begun.
    pub async fn fetched(rt: &Runtime, jwks_uri: &str) -> Result<Self> {
        Self::follow(&rt.stopper, jwks_uri).await
    }
}
