//! The primitives that the mechanism is built on, in one place so that a model checker can stand in for them.
//!
//! `gate`, `latch` and `roll` take every atomic and every lock from here. Their models are built with
//! `--cfg delay_loom` and then get loom's types, which try every interleaving. (Not `--cfg loom`: that would also
//! take `tokio::signal` out of Tokio.) This file never holds logic.

use std::sync::PoisonError;

#[cfg(all(test, delay_loom))]
use loom::sync as base;
#[cfg(not(all(test, delay_loom)))]
use std::sync as base;

pub(super) use base::MutexGuard;
pub(super) use base::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A lock that outlives a panic: what it guards is only ever changed by steps that cannot panic half way.
pub(super) struct Mutex<T>(base::Mutex<T>);

impl<T> Mutex<T> {
    pub(super) fn new(value: T) -> Self {
        Self(base::Mutex::new(value))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
