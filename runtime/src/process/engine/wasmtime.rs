//! The engine that compiles to machine code.
//!
//! Programs are interrupted by epochs: the compiled code compares a number at each loop and call, and when somebody has
//! raised it, asks a callback on its own thread what to do. One number serves all instances of an engine; each of them
//! then looks at its own [`Control`].

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::OnceLock;

use wasmtime::{Config, Module, OptLevel};

use super::{Caps, Code, Engine, Fault, Host, Instance, Metering};
use crate::process::control::Control;
use crate::process::trap::Trap;

mod artefact;
mod instance;
mod value;

/// What the stack of a program may take. The threads that run programs have two MiB.
const STACK: usize = 1 << 20;

/// The version that is pinned in the manifest.
const VERSION: &str = "48.0.8";

/// Wasmtime: machine code.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wasmtime;

impl Engine for Wasmtime {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    fn version(&self, metering: Metering) -> String {
        let mut hasher = DefaultHasher::new();
        if let Ok(engine) = engine(metering) {
            engine.precompile_compatibility_hash().hash(&mut hasher);
        }
        format!("{VERSION}-{:016x}", hasher.finish())
    }

    fn compile(&self, wasm: &[u8], metering: Metering) -> Result<Vec<u8>, Fault> {
        engine(metering)?.precompile_module(wasm).map_err(refused)
    }

    fn load(&self, artefact: &[u8], metering: Metering) -> Result<Box<dyn Code>, Fault> {
        let module = artefact::load(engine(metering)?, artefact).map_err(refused)?;
        Ok(Box::new(Compiled { module }))
    }
}

/// What is wrong with a module is told in one line.
fn refused(error: wasmtime::Error) -> Fault {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    Fault::new(Trap::AbiDeficiency, causes.join(": "))
}

/// Engines are made once: they hold what is common to all modules, and their number of epochs.
fn engine(metering: Metering) -> Result<&'static wasmtime::Engine, Fault> {
    static ENGINES: [OnceLock<Result<wasmtime::Engine, Fault>>; 2] = [const { OnceLock::new() }; 2];
    let made = ENGINES[usize::from(metering == Metering::Fuel)].get_or_init(|| {
        let mut config = Config::new();
        config.cranelift_opt_level(OptLevel::Speed).epoch_interruption(true).max_wasm_stack(STACK);
        config.consume_fuel(metering == Metering::Fuel).wasm_backtrace_max_frames(None);
        config.wasm_multi_memory(true).wasm_memory64(true).wasm_extended_const(true);
        config.wasm_wide_arithmetic(true).wasm_relaxed_simd(true).relaxed_simd_deterministic(true);
        wasmtime::Engine::new(&config).map_err(|error| Fault::new(Trap::InternalError, error.to_string()))
    });
    made.as_ref().map_err(Clone::clone)
}

struct Compiled {
    module: Module,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compiled(wasmtime)")
    }
}

impl Code for Compiled {
    fn instantiate(
        &self,
        caps: Caps,
        host: Box<dyn Host>,
        control: Control,
    ) -> Result<Box<dyn Instance>, Fault> {
        instance::instantiate(&self.module, caps, host, control)
    }
}
