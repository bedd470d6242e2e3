//! Programs that run apart from the rest: WebAssembly that can be suspended, stored and resumed elsewhere.

pub mod trap;
pub mod control;
pub mod suspend;
mod bytes;
pub mod snapshot;
pub mod engine;
#[cfg(any(feature = "wasmi", feature = "wasmtime"))]
pub mod program;
