//! Who may call: the one question that every request to a door is asked, before anything of it is believed.

use axum::http::HeaderMap;
#[cfg(feature = "oidc")]
use axum::http::header::AUTHORIZATION;
use axum::http::header::ORIGIN;

use super::key::Keys;
#[cfg(feature = "oidc")]
use super::oidc::{Issuer, Policy};
use super::refusal::{Reason, Refusal};
use super::verifier::Verifier;
use crate::time::Timestamp;

/// Who may call the doors of this program: those who sign with a key, those who have a token, or both.
///
/// ```
/// use delay::http::{Auth, Key, Keys};
/// let keys = Keys::new(Key::generate().parse()?);
/// let auth = Auth::signed(keys);
/// # Ok::<(), delay::Error>(())
/// ```
#[derive(Debug)]
pub struct Auth {
    verifier: Option<Verifier>,
    #[cfg(feature = "oidc")]
    token: Option<(Policy, Issuer)>,
}

/// A request that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The identity of the message, if the request was signed.
    pub(super) id: Option<String>,
}

impl Auth {
    /// Those who sign their requests with one of these keys.
    #[must_use]
    pub fn signed(keys: Keys) -> Self {
        Self { verifier: Some(Verifier::new(keys)), ..Self::none() }
    }

    /// Those whose requests carry a token that `policy` lets in, signed by a key of `issuer`.
    #[cfg(feature = "oidc")]
    #[must_use]
    pub fn token(policy: Policy, issuer: Issuer) -> Self {
        Self { token: Some((policy, issuer)), ..Self::none() }
    }

    /// Those, too, whose requests carry a token: a request with an `Authorization` header is asked for its token, every
    /// other one for its signature.
    #[cfg(feature = "oidc")]
    #[must_use]
    pub fn or_token(mut self, policy: Policy, issuer: Issuer) -> Self {
        self.token = Some((policy, issuer));
        self
    }

    /// Whoever reaches the door, but for browsers. [`serve`](super::serve()) takes this on the loopback alone, and a
    /// [`Door::router`](super::Door::router) not at all.
    #[must_use]
    pub fn none() -> Self {
        Self {
            verifier: None,
            #[cfg(feature = "oidc")]
            token: None,
        }
    }

    pub(super) fn is_none(&self) -> bool {
        #[cfg(feature = "oidc")]
        let has_token = self.token.is_some();
        #[cfg(not(feature = "oidc"))]
        let has_token = false;
        self.verifier.is_none() && !has_token
    }

    /// Lets a request in, or not.
    pub(super) fn admit(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Admitted, Refusal> {
        #[cfg(feature = "oidc")]
        if let Some((policy, issuer)) = &self.token
            && (self.verifier.is_none() || headers.contains_key(AUTHORIZATION))
        {
            let mut given = headers.get_all(AUTHORIZATION).iter();
            let header = given.next().ok_or(Reason::Missing("authorization"))?;
            let text = header.to_str().ok().filter(|_| given.next().is_none());
            let text = text.ok_or(Reason::Malformed("authorization"))?;
            return issuer.verify(policy, text, now).map(|_| Admitted { id: None });
        }
        let Some(verifier) = &self.verifier else {
            // Even where everybody may call, a page of some web site may not let a browser on this machine do it.
            let browser = headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site");
            return if browser { Err(Reason::Malformed("origin").into()) } else { Ok(Admitted { id: None }) };
        };
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let id = verifier.verify(pairs, body, now)?;
        Ok(Admitted { id: Some(id.to_owned()) })
    }
}
