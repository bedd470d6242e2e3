//! Child processes: executors, processes, what they may use, and what they and their hosts say to each other.
//!
//! Owns the names that `process` offers. What runs on any system is above, what needs Linux below.

// What both sides of a packet need has no side elsewhere.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod flow;
mod intent;
mod isolation;
mod key;
mod packet;
mod policy;
mod service;
mod state;

#[cfg(target_os = "linux")]
mod builtin;
#[cfg(target_os = "linux")]
mod bytes;
#[cfg(target_os = "linux")]
mod cause;
#[cfg(target_os = "linux")]
pub(crate) mod console;
#[cfg(target_os = "linux")]
mod container;
#[cfg(target_os = "linux")]
mod entry;
#[cfg(target_os = "linux")]
mod executor;
#[cfg(target_os = "linux")]
mod factory;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod group;
#[cfg(target_os = "linux")]
mod guest;
#[cfg(target_os = "linux")]
mod launch;
#[cfg(target_os = "linux")]
mod lines;
#[cfg(target_os = "linux")]
mod pool;
#[cfg(target_os = "linux")]
#[allow(clippy::module_inception)]
mod process;
#[cfg(target_os = "linux")]
mod roll;
#[cfg(target_os = "linux")]
mod seat;
#[cfg(target_os = "linux")]
mod serve;
#[cfg(target_os = "linux")]
mod start;
// The audited one: see its header.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod sys;
#[cfg(target_os = "linux")]
mod task;
#[cfg(target_os = "linux")]
mod wire;

pub use flow::{FIRST, decode_data, decode_flow, encode_data, encode_flow};
pub use intent::Intent;
pub use isolation::Isolation;
pub use key::ProcessKey;
pub use packet::{DISCOVER, Domain, HEADER, Lie, MOST, Packet, Reader};
pub use policy::{DebugLog, ProcessPolicy};
pub use service::{
    Buffers, Handled, Instance, MOST_NAME, MOST_SERVICES, Made, Outbox, Service, Services, WINDOW,
};

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{Apart, Work};
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Config, Executor, init};
pub use state::ProcessState;
#[cfg(all(target_os = "linux", fuzzing))]
pub(crate) use task::serve_foreign;
#[cfg(target_os = "linux")]
pub(crate) use task::{Apart, Work};

#[cfg(target_os = "linux")]
pub use {
    builtin::{Clock, Log, Progress, Random, Step},
    cause::{Cause, Usage},
    container::init,
    entry::{Entry, Exit, Image, entry},
    executor::{Config, Executor},
    factory::{Coming, Distributor, Factory},
    group::{Cgroups, Group, GroupFactory, GroupLimits},
    guest::Guest,
    pool::Pool,
    process::{Process, ProcessHandle, Served},
};
