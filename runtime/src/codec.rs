//! How values become bytes and bytes become values: the only place that knows MessagePack.
//!
//! Owns the format of payloads, results, headers and options, and the checks that foreign bytes pass before serde sees
//! them. It never stores, sends or interprets what it encodes, and it imports nothing else of this crate.
//!
//! - [`InvocationWriter`] makes a payload, [`Invocation`] and [`Arguments`] take it apart again.
//! - [`to_vec`] and [`from_slice`] are for every other value.
//! - [`scan`] refuses malformed, lying and too deeply nested bytes.
//! - [`describe()`] and [`to_json`] show any bytes to people and to programs.
//!
//! # What serde's data model becomes
//!
//! Structs and struct variants are maps by field name, so that fields may be added and reordered; tuples are arrays;
//! `{"Variant": content}` is an enum with content and `"Variant"` one without; `None`, `()` and `nil` are the same;
//! a unit struct is an empty array; a `char` is a string; `i128` and `u128` are 16 bytes, big-endian. Hence the limits:
//! - `Some(None)` and `Some(())` come back as `None`.
//! - `i128` and `u128` do not pass through `#[serde(untagged)]`, `#[serde(tag = …)]` or `#[serde(flatten)]`.
//! - `Vec<u8>` is an array of numbers and up to twice as large as with `serde_bytes`, which makes it a byte string;
//!   either form is accepted where the other was written.

mod argument_error;
mod arguments;
mod decode;
mod describe;
mod encode;
mod few;
#[cfg(test)]
mod forms;
mod guard;
mod invocation;
mod mismatch;
#[cfg(test)]
mod properties;
mod scan;
mod token;
mod wide;
mod writer;

pub use argument_error::ArgumentError;
pub use arguments::Arguments;
pub(crate) use decode::from_slice;
pub(crate) use describe::describe;
#[allow(
    unused_imports,
    reason = "for programs that inspect a store; the library itself shows values to people only"
)]
pub(crate) use describe::to_json;
pub(crate) use encode::to_vec;
pub(crate) use invocation::Invocation;
#[cfg(any(feature = "wasmi", feature = "wasmtime"))]
pub(crate) use scan::scan as well_formed;
pub(crate) use writer::{InvocationWriter, invocation_prefix};
