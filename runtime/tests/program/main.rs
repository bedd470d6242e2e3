//! WebAssembly programs under both engines: alone, and through the queue.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod carrying;
mod engines;
mod guests;
mod hostile;
mod queue;
mod services;
