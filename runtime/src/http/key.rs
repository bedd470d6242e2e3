//! The keys that sign requests, in the form of the Standard Webhooks: `whsec_` and base64.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::error::{Error, Kind, Result};

/// What a key's text begins with.
const PREFIX: &str = "whsec_";

/// One secret that sender and receiver share. It shows itself to nobody, and is wiped when it is dropped.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// The text of a new key: 32 random bytes. Keep it where secrets are kept.
    ///
    /// ```
    /// use delay::http::Key;
    /// let text = Key::generate();
    /// assert!(text.starts_with("whsec_") && text.parse::<Key>().is_ok());
    /// ```
    #[must_use]
    pub fn generate() -> String {
        // Each UUID has 122 bits from the system's generator: 488 go in, 256 come out.
        let mut hash = Sha256::new();
        for _ in 0..4 {
            hash.update(Uuid::new_v4().as_bytes());
        }
        format!("{PREFIX}{}", STANDARD.encode(hash.finalize()))
    }

    /// The authentication code over `id.timestamp.body`, not yet finished.
    pub(super) fn mac(&self, id: &str, timestamp: i64, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(timestamp.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        mac
    }
}

impl FromStr for Key {
    type Err = Error;

    /// Reads `whsec_…` with 24 to 64 bytes in base64. The error says nothing of the text.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            let message = format!("this is no signing key: {why}; `delay::http::Key::generate()` makes one");
            Error::new(Kind::InvalidOption, message)
        };
        let encoded =
            text.trim().strip_prefix(PREFIX).ok_or_else(|| refuse("it has to begin with `whsec_`"))?;
        let bytes = STANDARD.decode(encoded).map_err(|_| refuse("what follows `whsec_` is not base64"))?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(refuse("it has to have 24 to 64 bytes"));
        }
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| refuse("it has a length that cannot be used"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The keys in use: the first signs, each is accepted. To change the key, give receivers the new one as a further key,
/// then senders the new one as their first, and then take the old one away.
///
/// ```
/// use delay::http::{Key, Keys};
/// let (new, old) = (Key::generate(), Key::generate());
/// let keys = Keys::new(new.parse()?).and(old.parse()?);
/// assert_eq!(format!("{keys:?}"), "Keys([Key(…), Key(…)])");
/// # Ok::<(), delay::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// The key that signs.
    #[must_use]
    pub fn new(first: Key) -> Self {
        Self(vec![first])
    }

    /// A further key that is accepted.
    #[must_use]
    pub fn and(mut self, key: Key) -> Self {
        self.0.push(key);
        self
    }

    pub(super) fn first(&self) -> &Key {
        // `new` is the only way to make one, and nothing takes a key away.
        &self.0[0]
    }

    pub(super) fn all(&self) -> &[Key] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_or_refused_without_being_told() {
        let long = STANDARD.encode([7; 65]);
        let short = STANDARD.encode([7; 23]);
        for (text, says) in [
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), "begin with `whsec_`"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS".to_owned(), "not base64"),
            (format!("whsec_{long}"), "24 to 64 bytes"),
            (format!("whsec_{short}"), "24 to 64 bytes"),
            (String::new(), "begin with `whsec_`"),
        ] {
            let error = text.parse::<Key>().unwrap_err();
            assert!(error.is_invalid_option() && error.to_string().contains(says), "{error}");
            assert!(text.is_empty() || !error.to_string().contains(&text), "the secret is in the error");
        }
        assert!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n".parse::<Key>().is_ok());
    }

    #[test]
    fn new_keys_differ_and_none_shows_itself() {
        let (one, other) = (Key::generate(), Key::generate());
        assert_ne!(one, other);
        assert_eq!(STANDARD.decode(&one[PREFIX.len()..]).unwrap().len(), 32);
        let key: Key = one.parse().unwrap();
        assert_eq!(format!("{key:?} {:?}", Keys::new(key.clone())), "Key(…) Keys([Key(…)])");
    }
}
