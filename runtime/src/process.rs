//! Programs that run apart from the rest: WebAssembly that can be suspended, stored and resumed elsewhere.

pub mod trap;
pub mod suspend;
pub mod snapshot;
