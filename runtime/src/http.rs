//! Tasks over HTTP: who may ask for one, what a request says about it, and how tasks are taken in and sent.
//!
//! - [`Door`] takes tasks in and runs them, in your own axum application or under [`serve()`]; [`Auth`] says who may call:
//!   with a signature ([`Verifier`], [`Keys`]) or an OIDC token (`http/oidc`, feature `oidc`).
//! - [`Dispatcher`] sends the tasks of queues that have a target.
//! - [`BackgroundHost`] is the host of [background calls](crate::background) over HTTP.
//! - [`Pages`] tell supervisors and people how a runtime is.
//!
//! Signatures, tokens and headers ([`TaskHeaders`]) are pure: headers, bodies and the clock are arguments. Nothing here
//! trusts an `X-AppEngine-…` header: it says what a request is about, never who sends it.

mod answer;
mod auth;
mod begin;
mod body;
mod delivery;
mod direct;
mod dispatch;
mod door;
mod kept;
mod key;
mod line;
mod metrics;
#[cfg(feature = "oidc")]
pub mod oidc;
mod pages;
mod parts;
mod refusal;
mod replay;
mod serve;
mod signature;
mod target;
mod task_headers;
mod verifier;

pub use self::auth::Auth;
pub use self::begin::BackgroundHost;
pub use self::dispatch::Dispatcher;
pub use self::door::{Door, PUSH_PATH};
pub use self::key::{Key, Keys};
pub use self::pages::Pages;
pub(crate) use self::parts::Parts;
pub use self::refusal::Refusal;
pub use self::serve::serve;
pub use self::signature::{ID_HEADER, SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER};
pub use self::task_headers::{HeaderError, TaskHeaders};
pub use self::verifier::Verifier;

/// What the fuzzer reaches of this.
#[cfg(fuzzing)]
pub(crate) use self::signature::Presented;
