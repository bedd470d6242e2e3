//! An issuer's public keys, as it publishes them: RFC 7517's JSON Web Key Set.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

use super::super::refusal::{Reason, Refusal};
use super::token::{Algorithm, Token};
use crate::error::{Error, Kind, Result};

/// Issuers publish two or three.
const MOST_KEYS: usize = 64;

/// The public keys of an issuer.
#[derive(Clone, Debug)]
pub struct Jwks(Vec<Jwk>);

#[derive(Clone, Debug)]
struct Jwk {
    kid: Option<String>,
    public: Public,
}

/// A key's kind, which alone decides about its algorithm.
#[derive(Clone, Debug)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// On P-256, as 4, x, y.
    Point(Vec<u8>),
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwks {
    /// Reads a set of keys. Keys that are for something else, or of other kinds, are passed over: an issuer may publish
    /// what it likes.
    ///
    /// # Errors
    /// [`Error::is_decode`] if the text is no set of keys, or has more than 64 of them.
    pub fn parse(json: &str) -> Result<Self> {
        let refuse = |source: serde_json::Error| {
            Error::with_source(
                Kind::Decode,
                "cannot read the issuer's keys: expected `{\"keys\": […]}`",
                source,
            )
        };
        let published: Published = serde_json::from_str(json).map_err(refuse)?;
        if published.keys.len() > MOST_KEYS {
            let text = format!("the issuer has {} keys, {MOST_KEYS} are taken", published.keys.len());
            return Err(Error::new(Kind::Decode, text));
        }
        Ok(Self(published.keys.into_iter().filter_map(Jwk::read).collect()))
    }

    /// How many keys can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no key can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the keys has signed the token; if it names one, that one.
    pub(super) fn verify(&self, token: &Token<'_>) -> std::result::Result<(), Refusal> {
        let mut known = self
            .0
            .iter()
            .filter(|key| token.kid.is_none() || key.kid == token.kid)
            .filter(|key| key.public.algorithm() == token.algorithm)
            .peekable();
        if known.peek().is_none() {
            return Err(Reason::UnknownKey.into());
        }
        if known.any(|key| key.public.verifies(token)) { Ok(()) } else { Err(Reason::Wrong.into()) }
    }
}

impl Jwk {
    fn read(key: serde_json::Value) -> Option<Self> {
        let key: PublishedKey = serde_json::from_value(key).ok()?;
        if key.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
        let public = match (key.kty.as_str(), key.crv.as_deref()) {
            ("RSA", _) => Public::Rsa { n: bytes(key.n)?, e: bytes(key.e)? },
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(key.x)?, bytes(key.y)?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                Public::Point([vec![4], x, y].concat())
            }
            _ => return None,
        };
        // A key that its issuer means for another algorithm is not used for ours.
        let agrees = key.alg.is_none_or(|alg| Algorithm::of(&alg) == Some(public.algorithm()));
        agrees.then_some(Self { kid: key.kid, public })
    }
}

impl Public {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::Point(_) => Algorithm::Es256,
        }
    }

    fn verifies(&self, token: &Token<'_>) -> bool {
        let verified = match self {
            // Refuses moduli of less than 2048 bits.
            Self::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, token.message, &token.signature)
            }
            Self::Point(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(token.message, &token.signature),
        };
        verified.is_ok()
    }
}
