//! The port to what runs WebAssembly inside this process: compile, instantiate, call, suspend, save, restore.
//!
//! Two engines stand behind it, `wasmtime` (machine code) and `wasmi` (an interpreter). Both keep the same promises:
//! - A program that was asked to be suspended unwinds by the transform's protocol (`suspend`); one that was told to die
//!   stops within a loop iteration or a call, wherever it is. Nothing of the host waits for a program's good will.
//! - What is saved under one engine is restored under the other: a [`Snapshot`] knows no engine.
//! - Whatever a program does ends in a [`Fault`] or a result, never in a panic of the host.

use std::fmt;

use super::control::Control;
use super::snapshot::{Snapshot, Value};
use super::suspend;
use super::trap::Trap;

#[cfg(any(feature = "wasmi", feature = "wasmtime"))]
mod budget;
#[cfg(feature = "wasmi")]
mod wasmi;
#[cfg(feature = "wasmtime")]
mod wasmtime;

#[cfg(feature = "wasmi")]
pub use wasmi::Wasmi;
#[cfg(feature = "wasmtime")]
pub use wasmtime::Wasmtime;

/// The engines that are compiled in.
pub const ALL: &[&dyn Engine] = &[
    #[cfg(feature = "wasmtime")]
    &Wasmtime,
    #[cfg(feature = "wasmi")]
    &Wasmi,
];

/// What runs WebAssembly.
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// What its artefacts depend on besides the module: version, settings, processor.
    fn version(&self, metering: Metering) -> String;

    /// Compiles a module to an artefact, for [`load`](Self::load) of the same engine and version.
    ///
    /// # Errors
    /// A module that is not valid, or that uses what the engine does not offer.
    fn compile(&self, wasm: &[u8], metering: Metering) -> Result<Vec<u8>, Fault>;

    /// Makes an artefact ready to be run. It must be what [`compile`](Self::compile) gave: an artefact may be machine
    /// code, and is believed.
    ///
    /// # Errors
    /// An artefact of another version.
    fn load(&self, artefact: &[u8], metering: Metering) -> Result<Box<dyn Code>, Fault>;
}

/// A compiled module.
pub trait Code: fmt::Debug + Send + Sync {
    /// A fresh instance. Its start function, if it has one, has run; that of a transformed module is an export.
    ///
    /// # Errors
    /// An import that `host` does not have, more memory than `caps` allow, or what the start function came to.
    fn instantiate(
        &self,
        caps: Caps,
        host: Box<dyn Host>,
        control: Control,
    ) -> Result<Box<dyn Instance>, Fault>;
}

/// A program that runs, or could.
pub trait Instance: Send {
    /// Calls an exported function. If the program was suspended the results mean nothing;
    /// [`is_unwound`](Self::is_unwound) tells.
    ///
    /// # Errors
    /// What the program died of. It can be called no more.
    fn call(&mut self, function: &str, arguments: &[Value]) -> Result<Vec<Value>, Fault>;

    /// The parameters and results of an exported function, if there is one of this name.
    fn signature(&mut self, function: &str) -> Option<(Vec<Kind>, Vec<Kind>)>;

    /// What an exported global holds.
    fn global(&mut self, name: &str) -> Option<Value>;

    /// Writes an exported global.
    ///
    /// # Errors
    /// There is none of this name that can be written, or it is of another type.
    fn set_global(&mut self, name: &str, value: Value) -> Result<(), Fault>;

    /// All that is exported of this program's state, by name, for who wants to compare; see [`save`](Self::save).
    ///
    /// # Errors
    /// A reference to a function that is in no table.
    fn exports(&mut self) -> Result<Exports, Fault>;

    /// Puts what was saved into this fresh instance. Its start function must not have run.
    ///
    /// # Errors
    /// Exports that are not there or of another type: the snapshot of another module, or a damaged one. More memory than
    /// the caps allow.
    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), Fault>;

    /// How much fuel is left of [`Caps::fuel`].
    fn fuel(&mut self) -> Option<u64>;

    /// Whether the last call ended because the program was suspended.
    fn is_unwound(&mut self) -> bool {
        matches!(self.global(suspend::STATE), Some(Value::I32(state)) if state & suspend::STATE_UNWINDING != 0)
    }

    /// All that a suspended program is: globals, memories and tables by the names of the protocol.
    ///
    /// # Errors
    /// As [`exports`](Self::exports).
    fn save(&mut self) -> Result<Exports, Fault> {
        let mut exports = self.exports()?;
        exports.globals.retain(|(name, _)| name.starts_with(suspend::PREFIX));
        exports.memories.retain(|(name, _)| name.starts_with(suspend::PREFIX));
        exports.tables.retain(|(name, _)| name.starts_with(suspend::PREFIX));
        Ok(exports)
    }
}

/// What an instance exports of its state; functions are numbered as in [`suspend::FUNCTIONS`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exports {
    /// The globals that can change.
    pub globals: Vec<(String, Value)>,
    /// The memories; of [`suspend::FRAMES`] what is in use.
    pub memories: Vec<(String, Vec<u8>)>,
    /// The tables of functions.
    pub tables: Vec<(String, Vec<Option<u32>>)>,
}

/// What a program calls of the host.
pub trait Host: Send + 'static {
    /// The number of an import, by which [`call`](Self::call) will know it.
    ///
    /// # Errors
    /// A text that says what is wrong: an unknown name, or other parameters and results.
    fn find(&mut self, import: &Import<'_>) -> Result<u32, String>;

    /// A call. `memory` is the program's memory: the one that is exported as `memory`, or its first.
    ///
    /// # Errors
    /// What ends the program.
    fn call(
        &mut self,
        function: u32,
        memory: &mut [u8],
        arguments: &[Value],
        results: &mut [Value],
    ) -> Result<(), Fault>;
}

/// A function that a program imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import<'a> {
    /// The module's name.
    pub module: &'a str,
    /// The function's name.
    pub name: &'a str,
    /// Its parameters.
    pub parameters: &'a [Kind],
    /// Its results.
    pub results: &'a [Kind],
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
    /// Floating point of 32 bits.
    F32,
    /// Floating point of 64 bits.
    F64,
    /// A vector.
    V128,
    /// A function.
    Function,
    /// Something of the host's, or of a proposal: no program that this host runs has one.
    Other,
}

impl Kind {
    /// Zero, or null.
    #[must_use]
    pub fn zero(self) -> Value {
        match self {
            Self::I32 => Value::I32(0),
            Self::I64 => Value::I64(0),
            Self::F32 => Value::F32(0),
            Self::F64 => Value::F64(0),
            Self::V128 => Value::V128(0),
            Self::Function | Self::Other => Value::Function(None),
        }
    }
}

/// What an instance may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// The most bytes of all memories together. What a suspended program's frames need comes on top of it.
    pub memory: usize,
    /// The most elements of all tables together.
    pub elements: usize,
    /// How many instructions, roughly, if they are counted at all.
    pub fuel: Option<u64>,
}

impl Caps {
    /// Whether instructions are counted.
    #[must_use]
    pub fn metering(&self) -> Metering {
        if self.fuel.is_some() { Metering::Fuel } else { Metering::None }
    }
}

/// Whether a module's instructions are counted while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metering {
    /// Yes, which costs time.
    Fuel,
    /// No.
    None,
}

/// What ended a program, or never let it begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The kind.
    pub trap: Trap,
    /// The rest of the story.
    pub text: String,
}

impl Fault {
    /// A fault of this kind.
    #[must_use]
    pub fn new(trap: Trap, text: impl Into<String>) -> Self {
        Self { trap, text: text.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() { self.trap.fmt(f) } else { write!(f, "{}: {}", self.trap, self.text) }
    }
}

impl std::error::Error for Fault {}
