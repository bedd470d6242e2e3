//! Private PostgreSQL servers for tests: real ones, made by `initdb` in a temporary folder, reachable from this machine
//! alone, and gone with the test process, however that ends.
//!
//! Two ways to have one:
//! - [`Schema::fresh`]: a schema of one's own on the server that all tests share. It costs nothing but its tables.
//! - [`Server::start`]: a server of one's own, to be killed, frozen, filled and failed over. It costs about a second.
//!
//! ```no_run
//! use delay_tests::postgres::{Promise, Replication, Server, Setup};
//!
//! let mut primary = Server::with(&Setup { promise: Promise::Disk, ..Setup::default() });
//! let mut standby = primary.standby(Replication::Synchronous);
//! let url = primary.url_with(&[&standby], "schema=jobs&durability=replicated"); // both hosts, in this order
//! primary.kill9();
//! standby.promote();
//! assert_eq!(standby.psql("SELECT pg_is_in_recovery()"), "f");
//! # drop(url);
//! ```
//!
//! Nothing is skipped: without PostgreSQL's programs these functions panic and say what to install.

mod cluster;
mod folder;
mod programs;
mod proxy;
mod schema;
mod server;
mod session;
mod shared;
mod standby;

pub use cluster::{Certificate, Promise, Setup};
pub use proxy::Proxy;
pub use schema::Schema;
pub use server::{Server, Stop};
pub use session::Session;
pub use shared::shared_url;
pub use standby::Replication;
