//! An issuer's keys as they are known now: issuers change them every few days, and a program runs for longer.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Caller, Jwks, Policy};
use crate::http::refusal::Refusal;
use crate::time::Timestamp;

/// The keys of one issuer, which can be replaced while requests come in. Clones share them.
///
/// Fetch the keys from the issuer's `jwks_uri` with the HTTP client of your choice, once an hour, and
/// [`replace`](Self::replace) them: issuers publish a new key well before they sign with it.
///
/// ```
/// use delay::http::oidc::{Issuer, Jwks};
/// let issuer = Issuer::new(Jwks::parse(r#"{"keys": []}"#)?);
/// issuer.replace(Jwks::parse(r#"{"keys": []}"#)?); // an hour later
/// # Ok::<(), delay::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Issuer(Arc<RwLock<Jwks>>);

impl Issuer {
    /// An issuer with these keys.
    #[must_use]
    pub fn new(keys: Jwks) -> Self {
        Self(Arc::new(RwLock::new(keys)))
    }

    /// These are its keys from now on.
    pub fn replace(&self, keys: Jwks) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub(in crate::http) fn verify(
        &self,
        policy: &Policy,
        authorization: &str,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        policy.verify(&keys, authorization, now)
    }
}
