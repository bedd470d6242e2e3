//! Why a request is not let in: little for whoever sent it, all for the log.

use std::fmt;

/// A request that is not let in.
///
/// [`Display`](fmt::Display) is for the response, and tells nothing that helps to get in: every way to fail reads the
/// same. [`reason`](Self::reason) is for the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Refusal(Reason);

/// What was wrong. Whoever adds one decides about its status, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// There is no such header.
    Missing(&'static str),
    /// The header is there more than once, or is not what it should be.
    Malformed(&'static str),
    /// Signed too long ago, or too far in the future.
    Stale,
    /// No key made this signature.
    Wrong,
    /// This very request came before.
    Replayed,
    /// More requests came in a short time than can be remembered.
    Busy,
    /// A token of another algorithm than the two that are taken.
    #[cfg(feature = "oidc")]
    Algorithm,
    /// A token signed by a key that is not among those known.
    #[cfg(feature = "oidc")]
    UnknownKey,
    /// A token whose claim is not what was agreed.
    #[cfg(feature = "oidc")]
    Claim(&'static str),
}

impl Refusal {
    /// The HTTP status to answer with: 401, or 503 if the sender shall come again.
    #[must_use]
    pub fn status(&self) -> u16 {
        if self.0 == Reason::Busy { 503 } else { 401 }
    }

    /// What was wrong, for the log and for nobody else. It holds nothing of the request.
    #[must_use]
    pub fn reason(&self) -> String {
        match self.0 {
            Reason::Missing(what) => format!("`{what}` is missing"),
            Reason::Malformed(what) => format!("`{what}` cannot be read"),
            Reason::Stale => "the timestamp is more than 5 minutes off: compare the clocks".to_owned(),
            Reason::Wrong => "the signature is not that of any known key over this body".to_owned(),
            Reason::Replayed => "the same signed request came before".to_owned(),
            Reason::Busy => "more signed requests than can be remembered came within 10 minutes".to_owned(),
            #[cfg(feature = "oidc")]
            Reason::Algorithm => "the token's algorithm is not RS256 or ES256".to_owned(),
            #[cfg(feature = "oidc")]
            Reason::UnknownKey => {
                "the token is signed by an unknown key: fetch the issuer's keys again".to_owned()
            }
            #[cfg(feature = "oidc")]
            Reason::Claim(what) => format!("the token's `{what}` is not what was agreed"),
        }
    }

    /// Whether fetching the issuer's keys again may help: it has begun to sign with a new one.
    #[cfg(feature = "oidc")]
    #[must_use]
    pub fn is_unknown_key(&self) -> bool {
        self.0 == Reason::UnknownKey
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self(reason)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Reason::Busy => "too many requests, come again later",
            _ => "the request is not authenticated",
        })
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Refusal").field(&self.0).finish()
    }
}

impl std::error::Error for Refusal {}
