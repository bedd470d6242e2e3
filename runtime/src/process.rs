//! Programs that run apart from the rest: in child processes with limits, and WebAssembly that can be suspended, stored
//! and resumed elsewhere.
//!
//! # Child processes
//! With the feature `process`, on Linux. An [`Executor`] keeps a **container**, which is this program, executed once more
//! and shut in, and lets it fork a [`Process`] per run:
//!
//! ```no_run
//! use delay::process::{Config, Executor, Exit, Guest, Image, ProcessPolicy, Services};
//! use delay::stopper::Stopper;
//!
//! delay::process::entry!("sum", |guest: Guest| {
//!     let sum = guest.input().iter().fold(0, |sum, byte| sum ^ byte);
//!     Exit::value(sum & 3)
//! });
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     delay::process::init(); // before anything else: a container comes by here, and goes no further
//!     let tokio = tokio::runtime::Runtime::new()?;
//!     tokio.block_on(async {
//!         let stopper = Stopper::new();
//!         let executor = Executor::start(&stopper, Config::default()).await?;
//!         let mut process = executor.new_process().await?;
//!         process.start(&Image::new("sum", b"ab"), &ProcessPolicy::default()).await?;
//!         let served = process.serve(&Services::new()).await?;
//!         println!("{}: {}", served.ended.value, served.cause);
//!         stopper.stop().await;
//!         Ok(())
//!     })
//! }
//! ```
//!
//! [`#[delay::main]`](macro@crate::main) calls [`init`] itself.
//!
//! What shuts a process in, from outside to inside: namespaces for users, processes, files, network, IPC and names; an
//! empty, read-only root; no capabilities and no way to new ones; landlock; limits; seccomp, which lets it compute,
//! allocate and talk to this process, and nothing else. A call that is not let through fails with `EPERM`, except those
//! that only an attack would make: they end the process. It has no environment, no open files but its socket and its
//! output, and no threads beyond those that it was started with.

pub mod trap;
#[cfg(feature = "wasm")]
pub mod control;
#[cfg(feature = "wasm")]
pub mod suspend;
#[cfg(feature = "wasm")]
mod bytes;
#[cfg(feature = "wasm")]
pub mod snapshot;
#[cfg(feature = "wasm")]
pub mod engine;
#[cfg(any(feature = "wasmi", feature = "wasmtime"))]
pub mod program;

#[cfg(feature = "process")]
mod native;
#[cfg(feature = "process")]
pub use native::*;
