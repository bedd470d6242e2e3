//! Tasks over HTTP: who may ask for one, and what a request says about it.
//!
//! Owns the parts that need no server: signatures ([`Verifier`], [`Keys`]), OIDC tokens (`http/oidc`, feature `oidc`)
//! and the headers of App Engine's tasks ([`TaskHeaders`]). All are pure: headers, bodies and the clock are arguments.
//! Nothing here trusts an `X-AppEngine-…` header: it says what a request is about, never who sends it.

mod key;
#[cfg(feature = "oidc")]
pub mod oidc;
mod refusal;
mod replay;
mod signature;
mod task_headers;
mod verifier;

pub use self::key::{Key, Keys};
pub use self::refusal::Refusal;
pub use self::signature::{ID_HEADER, SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER};
pub use self::task_headers::{HeaderError, TaskHeaders};
pub use self::verifier::Verifier;

/// What the fuzzer reaches of this.
#[cfg(fuzzing)]
pub(crate) use self::signature::Presented;
