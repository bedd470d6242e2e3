//! App Engine's `taskqueue`: queues by name, generic tasks beside calls of functions, and queues that are pulled from.
//!
//! Owns the words of that interface. What a queue may do is in [`queues`](crate::queues), where tasks stand in the store.

pub use crate::request::{Method, Request};
