//! Durable delayed functions: one attribute, one file on disk.
//!
//! ```no_run
//! use delay::Context;
//!
//! #[delay::func("welcome-email")]
//! async fn welcome(_ctx: &Context, to: String) -> Result<(), delay::BoxError> {
//!     println!("dear {to}");
//!     Ok(())
//! }
//!
//! #[delay::main]
//! async fn main() -> delay::Result<()> {
//!     let rt = delay::Runtime::open("sqlite:jobs.db").await?;
//!     Welcome::call(&rt, "ada@example.com".into()).await?; // on disk when this returns
//!     rt.run().await // works until SIGTERM, then drains
//! }
//! ```
//!
//! Three ideas: a **function** ([`func`]) that can be called later, the [`Context`] that it gets, and the [`Runtime`]
//! that runs it. A call that was acknowledged survives the death of the process and, by default, the loss of power;
//! it runs at least once, is retried by policy ([`Retry`], [`Failure`]), and no worker that lost its lease can write
//! about it. For tests there is [`testing::Env`].

// Much of the floors is for stores that outlive the process; without one it waits for its user.
#![cfg_attr(not(feature = "sqlite"), allow(dead_code))]

// The order is the rule: a file imports only what stands above it. A test keeps it.

// Floor 0: words.
mod id;
mod error;
mod time;
mod limits;
#[cfg(feature = "cron")]
mod cron;
mod retry;
mod failure;
mod outcome;
mod state;
mod posted;
mod task;
mod codec;
mod request;
pub mod queues;

// Floor 1: ports.
mod backoff;
mod clock;
mod signals;
pub mod stopper;
pub mod store;

// Floor 2: functions.
mod draft;
mod client;
mod handle;
mod enqueue;
mod states;
mod context;
mod handler;
mod registry;
mod call;
#[cfg(feature = "cron")]
mod schedule;

// Floor 3: engines, and those below `store`.
mod panics;
#[cfg(any(feature = "process", feature = "wasm"))]
pub mod process;
mod executor;

// Floor 4: doors.
mod maintenance;
#[cfg(feature = "cron")]
mod ticker;
mod worker;
mod stats;
pub mod taskqueue;
#[cfg(feature = "http")]
pub mod background;
#[cfg(feature = "http")]
pub mod http;

// Floor 5: house.
mod main_fn;
mod schemes;
mod runtime;
pub mod testing;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;

pub use call::TaskBuilder;
pub use client::{Added, Client};
pub use clock::{Clock, VirtualClock};
pub use codec::ArgumentError;
pub use context::{Context, Headers};
#[cfg(feature = "cron")]
pub use cron::{Cron, IntoCron};
pub use draft::Draft;
pub use enqueue::{Drafted, Enqueue};
pub use error::{Error, Result};
pub use failure::{BoxError, Class, Failure, FailureExt};
pub use handle::Handle;
pub use id::{ParseTaskIdError, TaskId};
pub use limits::Limits;
pub use outcome::{Hold, Kept, Outcome, Transition};
pub use posted::Posted;
pub use registry::Function;
pub use retry::Retry;
pub use runtime::{Builder, Runtime, shutdown_signal};
pub use state::{Attempted, Policy, decide};
pub use stats::{CgroupStats, CpuStats, RamStats, Stats, stats};
pub use task::{Due, Task, TaskOptions, TaskState};
pub use time::{IntoDuration, Timestamp};

#[cfg(any(feature = "wasmi", feature = "wasmtime"))]
pub use delay_macros::program;
pub use delay_macros::{func, main};
#[cfg(feature = "sqlite")]
pub use rusqlite;
#[cfg(feature = "sqlx")]
pub use sqlx;
#[cfg(feature = "postgres")]
pub use tokio_postgres;
#[cfg(feature = "diesel-async")]
pub use {diesel, diesel_async};

/// Names a crate, so that its delayed functions are linked into this program.
///
/// Rust links a crate only if something names it: `delay::require!(my_jobs);` says so, and why.
#[macro_export]
macro_rules! require {
    ($($krate:ident),+ $(,)?) => { $(use $krate as _;)+ };
}

/// What expansions use. Not for people; it may change with every release.
#[doc(hidden)]
pub mod __private {
    pub use crate::call::Call;
    pub use crate::codec::{ArgumentError, Arguments};
    pub use crate::context::state;
    pub use crate::handler::{
        Attempt, MakeTheFunctionAsync, Plain, PlainValue, Returned, WriteTheReturnTypeAsResult,
    };
    pub use crate::main_fn::{Flavor, MainOptions, main, main_with};
    #[cfg(any(feature = "wasmi", feature = "wasmtime"))]
    pub use crate::process::program::{Packed, Program};
    pub use crate::registry::{Entry, Options, Place, Registration};
    pub use crate::states::State;
    pub use inventory;
}

/// The README's examples are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
