//! Makes WebAssembly programs suspendable: `transform`.

mod body;
mod calls;
mod check;
mod emit;
mod liveness;
mod model;
mod refusal;

pub use refusal::{Holder, Place, Proposal, Refusal, Size};

use self::calls::Calls;
use self::model::Module;

/// Which transform made a module. Frames fit only modules of the same revision.
pub const REVISION: u32 = 1;

/// What the names of all exports of the protocol begin with.
pub const PREFIX: &str = "delay.";

/// Export, a global (`i32`, mutable): what the program is about to do.
pub const STATE: &str = "delay.state";

/// Export, a global (`i32`, mutable): how many bytes of [`FRAMES`] are in use.
pub const DEPTH: &str = "delay.depth";

/// Export, a memory: the frames of the suspended functions, from its first byte on.
pub const FRAMES: &str = "delay.frames";

/// Export, a table: each function to which a reference can exist, at its own index.
pub const FUNCTIONS: &str = "delay.functions";

/// Export, a function without parameters and results: the module's start, if it has one.
pub const START: &str = "delay.start";

/// Export, a function without parameters and results: drops the segments that the restored globals say were dropped.
pub const REDROP: &str = "delay.redrop";

/// Exports, the mutable globals: this, and the global's index.
pub const GLOBAL: &str = "delay.global.";

/// Exports, the memories: this, and the memory's index.
pub const MEMORY: &str = "delay.memory.";

/// Exports, the tables: this, and the table's index.
pub const TABLE: &str = "delay.table.";

/// [`STATE`]: the program runs.
pub const STATE_RUNNING: i32 = 0;

/// [`STATE`], a bit: the host asks the program to suspend itself.
pub const STATE_ASKED: i32 = 1;

/// [`STATE`], a bit: the host resumes the program.
pub const STATE_REWINDING: i32 = 2;

/// [`STATE`], a bit: the program is suspended, or about to be.
pub const STATE_UNWINDING: i32 = 4;

/// The most pages of 64 KiB that [`FRAMES`] can have. A program that needs more traps while it unwinds.
pub const MOST_FRAME_PAGES: u64 = 1024;

/// A module that can be suspended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspendable {
    /// The module.
    pub wasm: Vec<u8>,
    /// How many functions the original has, imports left out.
    pub functions: usize,
    /// How many of them may be suspended; the others are as they were.
    pub suspending: usize,
    /// How many points there are where they may be suspended.
    pub points: usize,
}

/// Which functions may be suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coverage {
    /// Those that can run for long: they loop, recurse, or call such functions. The others cost nothing.
    #[default]
    Unbounded,
    /// All of them, at every call: for programs that have to stop within a few instructions, and for tests.
    Every,
}

/// Makes a module suspendable.
///
/// # Errors
/// A [`Refusal`] that says what cannot be done, where and why.
pub fn transform(wasm: &[u8]) -> Result<Suspendable, Refusal> {
    transform_with(wasm, Coverage::Unbounded)
}

/// Makes a module suspendable in more or fewer places.
///
/// # Errors
/// As those of [`transform`].
pub fn transform_with(wasm: &[u8], coverage: Coverage) -> Result<Suspendable, Refusal> {
    check::bytes(wasm)?;
    let module = Module::parse(wasm)?;
    check::module(&module)?;
    let calls = Calls::survey(&module, coverage)?;
    emit::module(module, &calls)
}
