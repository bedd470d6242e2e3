//! A token, taken apart: RFC 7515's compact form and the claims of RFC 7519 that are looked at.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, de};

use super::super::refusal::Reason;

/// Tokens of task services have about a kilobyte.
const LONGEST: usize = 16 * 1024;

const MALFORMED: Reason = Reason::Malformed("authorization");

/// The algorithms that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// A token whose parts are well-formed. Nothing of it is believed yet.
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    /// The identity of the key, as the token says.
    pub(super) kid: Option<String>,
    /// What is signed.
    pub(super) message: &'a [u8],
    pub(super) signature: Vec<u8>,
    payload: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<de::IgnoredAny>,
}

/// The claims that are looked at. Times are seconds since 1970.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: Option<String>,
    pub(super) sub: Option<String>,
    #[serde(default, deserialize_with = "one_or_many")]
    pub(super) aud: Vec<String>,
    pub(super) exp: Option<f64>,
    pub(super) nbf: Option<f64>,
    pub(super) iat: Option<f64>,
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) email_verified: bool,
}

impl<'a> Token<'a> {
    pub(super) fn read(token: &'a str) -> Result<Self, Reason> {
        if token.len() > LONGEST {
            return Err(MALFORMED);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, payload) = message.split_once('.').ok_or(MALFORMED)?;
        let decode = |part| URL_SAFE_NO_PAD.decode(part).map_err(|_| MALFORMED);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| MALFORMED)?;
        if header.crit.is_some() {
            return Err(MALFORMED);
        }
        Ok(Self {
            algorithm: Algorithm::of(&header.alg).ok_or(Reason::Algorithm)?,
            kid: header.kid,
            message: message.as_bytes(),
            signature: decode(signature)?,
            payload: decode(payload)?,
        })
    }

    pub(super) fn claims(&self) -> Result<Claims, Reason> {
        serde_json::from_slice(&self.payload).map_err(|_| MALFORMED)
    }
}

/// An audience is a text or a list of them.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Audience::deserialize(deserializer)? {
        Audience::One(one) => vec![one],
        Audience::Many(many) => many,
    })
}
