//! What the transform refuses: one variant per reason, each with the place, the cause and the way out.

use std::error::Error;
use std::fmt;

use wasmparser::WasmFeatures;

/// Why a module cannot be made suspendable. Nothing was emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes are not a valid WebAssembly module.
    Invalid {
        /// Where.
        at: Place,
        /// What the validator says.
        message: String,
    },
    /// The bytes are a component, not a core module.
    Component,
    /// The module uses a part of WebAssembly that cannot be suspended, or not yet.
    Proposal {
        /// Which part.
        proposal: Proposal,
        /// Where it is used.
        at: Place,
    },
    /// A reference would have to be stored at a point where the function may be suspended.
    LiveReference {
        /// The loop or the call where the reference is live, or the function's start.
        at: Place,
        /// What holds it.
        holder: Holder,
    },
    /// A table or a mutable global can hold values of the host, which cannot be written into a snapshot.
    HostReference {
        /// What can hold them.
        holder: Holder,
    },
    /// An export has a name that the protocol needs: the module was probably transformed already.
    ReservedName {
        /// The export's name.
        name: String,
    },
    /// The transformed module would be larger than engines allow.
    TooLarge {
        /// What would be too large.
        what: Size,
        /// The function that is to blame, if it is one.
        function: Option<u32>,
        /// The most there may be.
        limit: usize,
    },
}

/// A place in a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The function's index, imports counted; `None` outside of functions.
    pub function: Option<u32>,
    /// The offset from the module's first byte.
    pub offset: u64,
}

/// A part of WebAssembly that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proposal {
    /// Garbage-collected structs and arrays.
    Gc,
    /// Typed function references (`call_ref`).
    FunctionReferences,
    /// Exceptions, in either encoding.
    Exceptions,
    /// Tail calls.
    TailCalls,
    /// Shared memory and atomics.
    Threads,
    /// Stack switching.
    StackSwitching,
    /// SIMD whose results depend on the processor.
    RelaxedSimd,
    /// Memory pages of another size than 64 KiB.
    CustomPageSizes,
    /// Something else that is not part of WebAssembly 2.0 with several memories and 64-bit memory.
    Other,
}

/// What holds a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A local variable of the function.
    Local(u32),
    /// An operand, counted from the bottom of the function's stack.
    Operand(u32),
    /// A global.
    Global(u32),
    /// A table.
    Table(u32),
}

/// What has a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// The module's bytes.
    Module,
    /// A function's bytes after the transform.
    Function,
    /// A function's local variables after the transform.
    Locals,
    /// The values to save, over all points of a function.
    Saved,
    /// The work to find out which variables are live in a function.
    Liveness,
    /// The module's memories: one is added.
    Memories,
}

impl Refusal {
    /// The refusal for what the validator found.
    pub(super) fn found(error: &wasmparser::Error, function: Option<u32>) -> Self {
        let at = Place { function, offset: error.offset() };
        match error.missing_wasm_feature() {
            Some(feature) if feature.intersects(WasmFeatures::COMPONENT_MODEL) => Self::Component,
            Some(feature) => Self::Proposal { proposal: Proposal::of(feature), at },
            None => Self::Invalid { at, message: error.message().to_owned() },
        }
    }
}

impl Proposal {
    fn of(feature: WasmFeatures) -> Self {
        let table = [
            (WasmFeatures::TAIL_CALL, Self::TailCalls),
            (WasmFeatures::EXCEPTIONS.union(WasmFeatures::LEGACY_EXCEPTIONS), Self::Exceptions),
            (WasmFeatures::THREADS.union(WasmFeatures::SHARED_EVERYTHING_THREADS), Self::Threads),
            (WasmFeatures::STACK_SWITCHING, Self::StackSwitching),
            (WasmFeatures::RELAXED_SIMD, Self::RelaxedSimd),
            (WasmFeatures::CUSTOM_PAGE_SIZES, Self::CustomPageSizes),
            (WasmFeatures::FUNCTION_REFERENCES, Self::FunctionReferences),
            (WasmFeatures::GC, Self::Gc),
        ];
        table
            .iter()
            .find(|(bits, _)| feature.intersects(*bits))
            .map_or(Self::Other, |(_, proposal)| *proposal)
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Gc => (
                "garbage-collected types",
                "objects of the engine's heap cannot be stored; compile for linear memory",
            ),
            Self::FunctionReferences => ("typed function references", "use `call_indirect` through a table"),
            Self::Exceptions => (
                "exceptions",
                "a stack with handlers cannot be rebuilt; compile with `panic=abort` or `-fno-exceptions`",
            ),
            Self::TailCalls => {
                ("tail calls", "a frame that is gone cannot be rebuilt; compile without `-mtail-call`")
            }
            Self::Threads => (
                "shared memory or atomics",
                "a suspended program has one thread; compile without `-pthread` and `+atomics`",
            ),
            Self::StackSwitching => ("stack switching", "other stacks cannot be stored; compile without it"),
            Self::RelaxedSimd => (
                "relaxed SIMD",
                "its results differ between processors, and a program may resume on another; compile without `-mrelaxed-simd`",
            ),
            Self::CustomPageSizes => {
                ("custom page sizes", "snapshots count in pages of 64 KiB; compile without them")
            }
            Self::Other => (
                "a part of WebAssembly beyond version 2.0",
                "compile for `-mcpu=generic` or a `wasm32v1-none` target",
            ),
        }
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().0)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(function) = self.function {
            write!(f, "in function {function} ")?;
        }
        write!(f, "at offset {:#x}", self.offset)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(index) => write!(f, "local {index}"),
            Self::Operand(index) => write!(f, "operand {index}"),
            Self::Global(index) => write!(f, "global {index}"),
            Self::Table(index) => write!(f, "table {index}"),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Module => "bytes of the module",
            Self::Function => "bytes of the transformed function",
            Self::Locals => "local variables of the transformed function",
            Self::Saved => "values to save, over all points of the function",
            Self::Liveness => "steps to find the live variables of the function",
            Self::Memories => "memories (one is added)",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { at, message } => write!(f, "the module is not valid, {at}: {message}"),
            Self::Component => f.write_str(
                "this is a component, and only core modules can be suspended: take the core module out of it (`wasm-tools component unbundle`)",
            ),
            Self::Proposal { proposal, at } => {
                let (name, advice) = proposal.words();
                write!(f, "the module uses {name} {at}: {advice}")
            }
            Self::LiveReference { at, holder } => write!(
                f,
                "{holder} holds a reference {at}, where the function may be suspended, and references cannot be stored: keep it in a table, and its index in the function"
            ),
            Self::HostReference { holder } => write!(
                f,
                "{holder} can hold references of the host, which cannot be stored: give the program numbers for them (handles)"
            ),
            Self::ReservedName { name } => write!(
                f,
                "the export {name:?} has a name that suspension needs: transform the original module, not one that was transformed, and give no export a name that begins with {:?}",
                super::PREFIX
            ),
            Self::TooLarge { what, function, limit } => {
                if let Some(function) = function {
                    write!(f, "function {function} is too large to be suspendable: ")?;
                } else {
                    f.write_str("the module is too large to be suspendable: ")?;
                }
                write!(f, "more than {limit} {what}; split it, or run the program without suspension")
            }
        }
    }
}

impl Error for Refusal {}
