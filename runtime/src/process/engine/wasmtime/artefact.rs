//! Machine code that was compiled before. The one place of this engine that is `unsafe`: whoever can write what is
//! loaded here can do all that this process can.
//!
//! Invariant: the bytes come from [`Engine::compile`](super::Engine::compile) in this process, or from a cache entry whose
//! checksum was right and whose folder nobody else can write (`program/cache`). The engine itself refuses artefacts of
//! another version, setting or processor.

use wasmtime::{Engine, Module};

/// Makes compiled code ready to be run.
#[allow(unsafe_code)]
pub(super) fn load(engine: &Engine, artefact: &[u8]) -> wasmtime::Result<Module> {
    // SAFETY: by the invariant above, these are bytes that this very version of the engine has written.
    unsafe { Module::deserialize(engine, artefact) }
}
