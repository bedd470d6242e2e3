//! What the tests share: stores to test, workers by hand, helper processes, and the checker of histories.
//!
//! No delayed function is registered here: whoever links this crate decides itself what it can run.

mod cutter;
mod delegate;
mod dice;
mod elsewhere;
mod fixture;
mod hand;
pub mod history;
mod lying;
mod orders;
mod place;
pub mod postgres;
mod process;
mod python;
mod recording;
mod refusing;
#[cfg(feature = "http")]
pub mod served;
mod stores;
mod tail;
mod wait;
mod watched;
pub mod web;

pub use cutter::Cutter;
pub use dice::Dice;
pub use elsewhere::{Opened, Somebody, in_mount_namespace, mount_tmpfs, remount};
pub use fixture::{Backend, Fixture, Memory, Postgres, Sqlite, task};
pub use hand::{Hand, LEASE};
pub use lying::{Lie, Lying};
pub use orders::{Call, Orders, Work};
pub use place::Place;
pub use process::Process;
pub use python::python;
pub use recording::Recording;
pub use refusing::Refusing;
pub use rustix::process::Signal;
pub use stores::open_store;
pub use tail::Tail;
pub use wait::{BOUND, soon};
pub use watched::Watched;
