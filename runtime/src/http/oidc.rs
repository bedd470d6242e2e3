//! OIDC tokens: how a task service such as Cloud Tasks says who sends a request.
//!
//! Owns the verification of a token against keys that are handed in. It never fetches keys, reads no clock, and knows
//! two algorithms, RS256 and ES256. A key belongs to one algorithm by its kind, not by what a token says, so neither
//! `none` nor an HMAC over a public key has a way in. What a token says about its own key (`jwk`, `jku`, `x5u`) is not
//! read; one with `crit` is refused, for it asks for rules that are not known here.

mod issuer;
mod jwks;
mod token;

use std::time::Duration;

pub use self::issuer::Issuer;
pub use self::jwks::Jwks;

use self::token::{Claims, Token};
use super::refusal::{Reason, Refusal};
use crate::time::Timestamp;

/// How far the issuer's clock may be off.
const LEEWAY: Duration = Duration::from_secs(60);

/// What was agreed: who issues tokens, for whom, and who may call.
///
/// An issuer such as Google gives a token for any audience to anybody with an account: the audience alone says nothing
/// about who calls. So callers have to be named, or let in knowingly with [`Callers::Anyone`].
///
/// ```
/// use delay::http::oidc::{Callers, Jwks, Policy};
/// use delay::Timestamp;
///
/// let policy = Policy::new(
///     "https://accounts.google.com",
///     "https://example.com/_ah/queue/go/delay",
///     Callers::Emails(vec!["tasks@my-project.iam.gserviceaccount.com".to_owned()]),
/// );
/// let keys = Jwks::parse(r#"{"keys": []}"#)?; // as fetched from the issuer's `jwks_uri`
/// let now = Timestamp::from(std::time::SystemTime::now());
/// assert!(policy.verify(&keys, "Bearer abc", now).is_err());
/// # Ok::<(), delay::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    issuer: String,
    audience: String,
    callers: Callers,
}

/// Who may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Those whose token has one of these as `email`, which the issuer has verified.
    Emails(Vec<String>),
    /// Those whose token has one of these as `sub`.
    Subjects(Vec<String>),
    /// Everybody to whom the issuer gives a token: only for an issuer that serves nobody else.
    Anyone,
}

/// Who has called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// The token's `sub`.
    pub subject: Option<String>,
    /// The token's `email`, if the issuer has verified it.
    pub email: Option<String>,
}

impl Policy {
    /// Tokens of `issuer` (their `iss`) for `audience` (their `aud`) from `callers`.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, callers: Callers) -> Self {
        Self { issuer: issuer.into(), audience: audience.into(), callers }
    }

    /// Lets a caller in. `authorization` is the whole header: `Bearer` and the token.
    ///
    /// # Errors
    /// A [`Refusal`]. If it [`is_unknown_key`](Refusal::is_unknown_key), fetch the keys again, but not more often than
    /// once in a few minutes: anybody can send a token with an unknown key.
    pub fn verify(&self, keys: &Jwks, authorization: &str, now: Timestamp) -> Result<Caller, Refusal> {
        let malformed = Reason::Malformed("authorization");
        let (scheme, token) = authorization.split_once(' ').ok_or(malformed)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(malformed.into());
        }
        let token = Token::read(token.trim()).map_err(Refusal::from)?;
        keys.verify(&token)?;
        // Signed by the issuer: from here on the token's words are the issuer's.
        let claims = token.claims()?;
        self.check(&claims, now)?;
        let email = claims.email.filter(|_| claims.email_verified);
        Ok(Caller { subject: claims.sub, email })
    }

    fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), Refusal> {
        let claim = |good: bool, name| if good { Ok(()) } else { Err(Refusal::from(Reason::Claim(name))) };
        let now = now.as_micros() as f64 / 1e6;
        let leeway = LEEWAY.as_secs_f64();
        claim(claims.iss.as_deref() == Some(&*self.issuer), "iss")?;
        claim(claims.aud.contains(&self.audience), "aud")?;
        claim(claims.exp.is_some_and(|exp| now < exp + leeway), "exp")?;
        claim(claims.nbf.is_none_or(|nbf| now >= nbf - leeway), "nbf")?;
        claim(claims.iat.is_none_or(|iat| now >= iat - leeway), "iat")?;
        match &self.callers {
            Callers::Emails(emails) => {
                let email = claims.email.as_ref().filter(|_| claims.email_verified);
                claim(email.is_some_and(|email| emails.contains(email)), "email")
            }
            Callers::Subjects(subjects) => {
                claim(claims.sub.as_ref().is_some_and(|sub| subjects.contains(sub)), "sub")
            }
            Callers::Anyone => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
