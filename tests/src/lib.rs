//! What the tests share: stores to test, workers by hand, helper processes, and the checker of histories.
//!
//! No delayed function is registered here: whoever links this crate decides itself what it can run.

mod elsewhere;
mod fixture;
mod hand;
mod wait;

pub use elsewhere::{Opened, Somebody, in_mount_namespace, mount_tmpfs, remount};
pub use fixture::{Backend, Fixture, Memory, Sqlite, task};
pub use hand::{Hand, LEASE};
pub use wait::{BOUND, soon};
