//! Makes WebAssembly programs suspendable: from a module, [`transform`] makes one that can be stopped in the middle of its
//! work, stored, and resumed in another instance, another process, another engine, on another machine.
//!
//! # How a host uses it
//! The transformed module has the original's imports and exports, and more exports, whose names begin with [`PREFIX`].
//! The global [`STATE`] is how host and program speak:
//!
//! 1. **Start.** Instantiate. If there is [`START`], call it first: it is the original's start function, as a call that
//!    can be suspended like any other.
//! 2. **Ask.** At any time while a function runs (in a call of the host, in an engine's interruption), set the bit
//!    [`STATE_ASKED`]. The program looks at it in every loop and returns soon. An import that is being called comes to
//!    its end first: what the program has called of the host is never called again.
//! 3. **Store.** A call that returns with [`STATE_UNWINDING`] set was suspended; its results mean nothing. Keep the name
//!    of the function, and the contents of all exports that begin with [`PREFIX`]: globals (among them [`DEPTH`]),
//!    memories (of [`FRAMES`] the first [`DEPTH`] bytes), and tables, as indices into [`FUNCTIONS`].
//! 4. **Resume.** In a fresh instance, do not call [`START`]. Put everything back, call [`REDROP`], set [`STATE`] to
//!    [`STATE_REWINDING`], and call the same function with any arguments: it goes on where it was. With [`STATE_ASKED`]
//!    set as well it goes on to the very next point, and is suspended again.
//!
//! A host's function must not call the program back while it may be asked to suspend: the host's own frames in between
//! could not be stored. A trap while [`STATE_UNWINDING`] is set means that the frames needed more than
//! [`MOST_FRAME_PAGES`], or more than the host's own limit on memory.
//!
//! ```
//! # use delay::process::suspend::{transform, Refusal};
//! // (module (func (export "f") (loop (br 0))))
//! let module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x05\x01\x01f\0\0\x0a\x09\x01\x07\0\x03\x40\x0c\0\x0b\x0b";
//! let suspendable = transform(module)?;
//! assert_eq!((suspendable.functions, suspendable.suspending), (1, 1));
//! # Ok::<(), Refusal>(())
//! ```
//!
//! # How it works
//! **Points.** A function that loops, recurses, or calls one that does, may be suspended: at its start, at the head of
//! each loop, and in each call of such a function (`calls`, `body`). All others end by themselves after a bounded number
//! of steps and are copied as they stand.
//!
//! **Unwinding.** At a start or a loop's head the program looks at the state. If it is asked to, it writes a frame and
//! returns. The caller sees that the program unwinds, writes its own frame, returns, and so on. A frame holds what lives at
//! the point: the local variables that are read later (`liveness`) and the operands that wait (`emit/frame`), then the
//! point's number and the function's index.
//!
//! **Rewinding.** A function that is called while the program rewinds takes the point's number from its frame and goes
//! there. WebAssembly has no jump into a block, so the blocks are opened earlier. Take the function or one loop, without
//! the loops inside it: a *region*. Every block of it that contains a point is opened at the region's head, around one
//! more block for each point, which ends there:
//!
//! ```text
//! original                 transformed
//! loop $l                  loop $l
//!   A                        block $end  block $after            ;; opened at the head, closed where they end
//!   block $end                 gate: if state { at a point of ours? restore, call g again, br $after; else suspend }
//!     B                        A B
//!     call $g                  call $g
//!     C                      end $after
//!   end                      if state & unwinding { save; return }
//!   D                        C
//!   br $l                    end $end
//! end                        D  br $l
//!                          end
//! ```
//!
//! So one branch leads from the gate to any point of the region; to a point in an inner loop it leads to that loop, whose
//! own gate goes on. The gate calls the callee of a call point once more (it restores itself, so its arguments do not
//! matter) and joins behind the original call. An indirect call is repeated through [`FUNCTIONS`] by the index in the
//! callee's frame, because the program's own table may have changed since. The innermost frame belongs to a start or a
//! loop's head; there the program runs on.
//!
//! # Why it is correct
//! - *The original code is copied byte by byte*, but for blocks that contain points, branches to them, and calls that are
//!   points. Everything added gets indices after the original's, so nothing in the copied bytes changes its meaning.
//! - *A block can be opened earlier* if nothing else changes: nobody branches to it from outside the original's extent, and
//!   its operands are in variables at its borders (`emit/operands`), so the stack is empty where blocks begin and end.
//! - *A point is reached in one of two ways with the same state*: from the code before it, or from the gate, after all
//!   that can be read later was restored. What is not restored is not read: that is what liveness means.
//! - *What the instance is besides its functions' variables* is exported: globals, memories, tables. Segments that were
//!   dropped are remembered in globals. What could not be exported and put back is refused (`check`): host references.
//! - *A frame that does not fit* (another function's, a point that does not exist, frames left over) traps.
//!
//! The tests run the official spec suite and generated modules, suspended at every point, each time into a fresh instance,
//! and compare results, traps, memories, globals, tables and calls of the host with the original's.
//!
//! # What it costs
//! While nobody asks: one look at a global per loop iteration and per call of a function with points, and one after such a
//! call. All else is in branches that are not taken. The code of functions with points grows to about three times its
//! size, that of tiny functions that do nothing but call to seven times; the others do not grow. There is one more memory
//! of one page, which grows only while a program unwinds. `benches/suspend.rs` measures the time.
//!
//! # Structure
//! `model` (the parsed module) → `check` (refusals) → `calls` (which functions) → per function `body` (its points and
//! regions), `liveness` (what they save), `emit` (the new code) → the new module.

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
