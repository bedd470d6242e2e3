//! The signature of a request, after the Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`.
//!
//! Owns the three headers: writing them, taking them apart, and comparing in constant time. It remembers nothing.

use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac as _;

use super::key::Keys;
use super::refusal::{Reason, Refusal};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::time::Timestamp;

/// The header with the identity of the message: the same when it is sent again.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of signing, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures: `v1,` and base64, several of them with spaces between.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// An id is a UUID or the like. It is remembered, so it must not be long.
const LONGEST_ID: usize = 256;
/// Each signature is compared with each key: a sender that rotates has two.
const MOST_SIGNATURES: usize = 8;

/// The headers of a signed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// For [`ID_HEADER`].
    pub id: String,
    /// For [`TIMESTAMP_HEADER`].
    pub timestamp: String,
    /// For [`SIGNATURE_HEADER`].
    pub signature: String,
}

impl Signed {
    /// Names and values.
    pub fn headers(&self) -> [(&'static str, &str); 3] {
        [(ID_HEADER, &self.id), (TIMESTAMP_HEADER, &self.timestamp), (SIGNATURE_HEADER, &self.signature)]
    }
}

impl Keys {
    /// Signs `body` with the first key. Sign anew when you send again: the id stays, the time does not.
    ///
    /// ```
    /// use delay::http::Keys;
    /// use delay::Timestamp;
    ///
    /// let keys = Keys::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?);
    /// let at = Timestamp::from_micros(1_614_265_330_000_000);
    /// let signed = keys.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#)?;
    /// assert_eq!(signed.signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    /// # Ok::<(), delay::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::is_invalid_option`] if `id` is empty, longer than 256 bytes, or has other characters than visible ASCII
    /// without `.`; or if `at` lies before 1970.
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> Result<Signed> {
        if !is_id(id) {
            let text =
                format!("{} cannot be signed as an id: use visible ASCII without `.`", limits::quoted(id));
            return Err(Error::new(Kind::InvalidOption, text));
        }
        let timestamp = at.as_micros().div_euclid(1_000_000);
        if timestamp < 0 {
            return Err(Error::new(
                Kind::InvalidOption,
                format!("{at} cannot be signed: it lies before 1970"),
            ));
        }
        let code = self.first().mac(id, timestamp, body).finalize().into_bytes();
        let signature = format!("v1,{}", STANDARD.encode(code));
        Ok(Signed { id: id.to_owned(), timestamp: timestamp.to_string(), signature })
    }
}

/// With a `.` in an id, `a.1.2.body` could be read in two ways.
fn is_id(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.')
}

/// What a request presents: its three headers, taken apart and not yet believed.
#[derive(Debug)]
pub(crate) struct Presented<'a> {
    pub(super) id: &'a str,
    /// Seconds since 1970.
    pub(super) timestamp: i64,
    /// The codes of version 1; at least one.
    codes: Vec<[u8; 32]>,
}

impl<'a> Presented<'a> {
    /// Takes the headers apart. Names in any case; each of the three once.
    pub(crate) fn read<N: AsRef<str>>(
        headers: impl IntoIterator<Item = (N, &'a [u8])>,
    ) -> Result<Self, Refusal> {
        let names = [ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER];
        let mut values = [None; 3];
        for (name, value) in headers {
            let Some(n) = names.iter().position(|known| name.as_ref().eq_ignore_ascii_case(known)) else {
                continue;
            };
            if values[n].replace(value).is_some() {
                return Err(Reason::Malformed(names[n]).into());
            }
        }
        let text = |n: usize| -> Result<&'a str, Refusal> {
            let value = values[n].ok_or(Reason::Missing(names[n]))?;
            str::from_utf8(value).map_err(|_| Reason::Malformed(names[n]).into())
        };
        let (id, timestamp, signature) = (text(0)?, text(1)?, text(2)?);
        if !is_id(id) {
            return Err(Reason::Malformed(ID_HEADER).into());
        }
        // Written as we would write it, or else one time could be signed in several ways.
        let number = timestamp.parse().ok().filter(|seconds: &i64| *seconds >= 0);
        let timestamp = number
            .filter(|seconds| seconds.to_string() == timestamp)
            .ok_or(Reason::Malformed(TIMESTAMP_HEADER))?;
        let codes: Vec<_> = signature.split(' ').take(MOST_SIGNATURES).filter_map(code).collect();
        if codes.is_empty() {
            return Err(Reason::Malformed(SIGNATURE_HEADER).into());
        }
        Ok(Self { id, timestamp, codes })
    }

    /// When it says that it was signed, in seconds since 1970.
    #[cfg(fuzzing)]
    pub(crate) fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// Whether one of the keys made one of the signatures over `body`.
    pub(super) fn is_signed_by(&self, keys: &Keys, body: &[u8]) -> bool {
        let mut signed = false;
        for key in keys.all() {
            let mac = key.mac(self.id, self.timestamp, body);
            for code in &self.codes {
                // Compares in constant time; no early end tells which key or signature it was.
                signed |= mac.clone().verify_slice(code).is_ok();
            }
        }
        signed
    }
}

/// One signature of version 1; others are for receivers that know them.
fn code(signature: &str) -> Option<[u8; 32]> {
    STANDARD.decode(signature.strip_prefix("v1,")?).ok()?.try_into().ok()
}
