//! WebAssembly programs under both engines: alone, and through the queue.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod carrying;
#[path = "../../../tests/src/delegate.rs"]
mod delegate;
mod engines;
mod guests;
mod hostile;
mod queue;
mod services;
#[allow(unreachable_pub)] // where it comes from, it is public
#[path = "../../../tests/src/watched.rs"]
mod watched;
