//! The engine that interprets.
//!
//! Programs run in slices of fuel: when a slice is used up the engine comes back to the host, which looks at the
//! [`Control`] and lets the program go on. So instructions are always counted, whether somebody wants to know or not.

use wasmi::{CompilationMode, Config, Module};

use super::{Caps, Code, Engine, Fault, Host, Instance, Metering};
use crate::process::control::Control;
use crate::process::trap::Trap;

mod instance;
mod slices;
mod value;

/// How deeply a program can call, and what its calls may take; a transformed program's frames are larger.
const DEPTH: usize = 4_000;
const STACK: usize = 4 << 20;

/// Wasmi: an interpreter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wasmi;

impl Engine for Wasmi {
    fn name(&self) -> &'static str {
        "wasmi"
    }

    fn version(&self, _: Metering) -> String {
        "2".to_owned()
    }

    /// Checks the module. What is kept of it are its own bytes: to translate them again costs as much as to read more.
    fn compile(&self, wasm: &[u8], metering: Metering) -> Result<Vec<u8>, Fault> {
        self.load(wasm, metering).map(|_| wasm.to_vec())
    }

    fn load(&self, artefact: &[u8], _: Metering) -> Result<Box<dyn Code>, Fault> {
        let module = Module::new(&engine(), artefact)
            .map_err(|error| Fault::new(Trap::AbiDeficiency, error.to_string()))?;
        Ok(Box::new(Compiled { module }))
    }
}

fn engine() -> wasmi::Engine {
    let mut config = Config::default();
    config.consume_fuel(true).compilation_mode(CompilationMode::Eager);
    config.wasm_multi_memory(true).wasm_memory64(true).wasm_extended_const(true).wasm_wide_arithmetic(true);
    config.wasm_simd(true).wasm_relaxed_simd(true);
    config.set_max_recursion_depth(DEPTH).set_max_stack_height(STACK);
    wasmi::Engine::new(&config)
}

struct Compiled {
    module: Module,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compiled(wasmi)")
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
