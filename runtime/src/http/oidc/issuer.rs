//! An issuer's keys as they are known now: issuers change them every few days, and a program runs for longer.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Uri};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Caller, Jwks, Policy};
use crate::error::{Error, Kind, Result};
use crate::http::line::Line;
use crate::http::parts::stopping;
use crate::http::refusal::Refusal;
use crate::stopper::Stopper;
use crate::time::Timestamp;

/// Issuers publish a new key well before they sign with it.
const EVERY: Duration = Duration::from_secs(3600);

/// Anybody can send a token with an unknown key: it makes nobody fetch more often than this.
const AT_MOST_EVERY: Duration = Duration::from_secs(300);

/// How long an issuer may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The keys of one issuer, which change while requests come in. Clones share them.
///
/// [`fetched`](Self::fetched) keeps them up to date by itself; with [`new`](Self::new) and [`replace`](Self::replace) you do.
///
/// ```
/// use delay::http::oidc::{Issuer, Jwks};
/// let issuer = Issuer::new(Jwks::parse(r#"{"keys": []}"#)?);
/// issuer.replace(Jwks::parse(r#"{"keys": []}"#)?); // an hour later
/// # Ok::<(), delay::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Issuer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: RwLock<Jwks>,
    /// Somebody came with a key that is not known.
    missed: Notify,
}

impl Issuer {
    /// An issuer with these keys.
    #[must_use]
    pub fn new(keys: Jwks) -> Self {
        Self(Arc::new(Inner { keys: RwLock::new(keys), missed: Notify::new() }))
    }

    /// These are its keys from now on.
    pub fn replace(&self, keys: Jwks) {
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub(in crate::http) fn verify(
        &self,
        policy: &Policy,
        authorization: &str,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        let verified = policy.verify(&keys, authorization, now);
        if verified.as_ref().is_err_and(Refusal::is_unknown_key) {
            self.0.missed.notify_one();
        }
        verified
    }

    /// Fetches the keys, and again every hour, until the stopper quiesces.
    pub(crate) async fn follow(stopper: &Stopper, jwks_uri: &str) -> Result<Self> {
        let uri: Uri = jwks_uri.parse().map_err(|error| {
            let text = format!("{} is no URL of an issuer's keys", crate::limits::quoted(jwks_uri));
            Error::with_source(Kind::InvalidOption, text, error)
        })?;
        let line = Line::new()?;
        let issuer = Self::new(fetch(&line, &uri).await?);
        let (following, quiescing) = (issuer.clone(), stopper.quiescing());
        let follow = async move {
            let mut fetched = Instant::now();
            loop {
                let missed = async {
                    following.0.missed.notified().await;
                    tokio::time::sleep_until(fetched + AT_MOST_EVERY).await;
                };
                tokio::select! {
                    () = tokio::time::sleep_until(fetched + EVERY) => {}
                    () = missed => {}
                    () = quiescing.clone() => return,
                }
                fetched = Instant::now();
                match fetch(&line, &uri).await {
                    Ok(keys) => following.replace(keys),
                    // Those that are known stay.
                    Err(error) => {
                        tracing::error!(error = error.chain(), "the issuer's keys could not be fetched")
                    }
                }
            }
        };
        stopper.run_worker("delay::http::issuer", follow).map_err(|_| stopping())?;
        Ok(issuer)
    }
}

async fn fetch(line: &Line, uri: &Uri) -> Result<Jwks> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri.clone();
    let late = |_| Error::new(Kind::Unavailable, format!("{uri} did not answer within {PATIENCE:?}"));
    let reply = tokio::time::timeout(PATIENCE, line.send(request)).await.map_err(late)??;
    if !reply.status.is_success() {
        return Err(Error::new(Kind::Unavailable, format!("{uri} answered {}", reply.status)));
    }
    let keys = Jwks::parse(&reply.text)?;
    if keys.is_empty() {
        return Err(Error::new(Kind::Decode, format!("{uri} has no key that can be used")));
    }
    Ok(keys)
}
