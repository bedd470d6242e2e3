//! Where there is no Linux: programs that could use processes compile, and what wants one is refused in so many words.

use std::convert::Infallible;
use std::sync::Arc;

use super::isolation::Isolation;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::outcome::Outcome;
use crate::registry::{Isolate, Registration};
use crate::stopper::Stopper;

/// To be called before anything else in `main`; does nothing on this system.
pub fn init() {}

fn refusal() -> Error {
    let text = "processes with limits need Linux: run functions with `isolate = process` there";
    Error::new(Kind::NotIsolated, text)
}

/// Manages processes, on Linux. There is none on this system.
#[derive(Clone, Debug)]
pub struct Executor(Infallible);

/// How an executor is to be.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// The most processes at once.
    pub max_procs: usize,
    /// How far they are kept away from the machine.
    pub isolation: Isolation,
}

impl Executor {
    /// Refuses.
    ///
    /// # Errors
    /// Always, with [`Error::is_not_isolated`].
    pub async fn start(_: &Stopper, _: Config) -> Result<Self> {
        Err(refusal())
    }
}

/// Refuses to run functions.
#[derive(Debug)]
pub(crate) struct Apart;

/// A call that is to run apart.
#[derive(Debug)]
#[allow(dead_code)] // nobody looks into what is refused
pub(crate) struct Work {
    pub(crate) registration: &'static Registration,
    pub(crate) arguments: Vec<u8>,
    pub(crate) isolate: Isolate,
}

impl Apart {
    pub(crate) fn new(_: Stopper, _: Isolation) -> Self {
        Self
    }

    pub(crate) async fn start(&self) -> Result<Arc<Infallible>> {
        Err(refusal())
    }

    pub(crate) async fn run(&self, _: Work, _: &Context, _: impl Send + 'static) -> Outcome {
        Outcome::Died(refusal().to_string())
    }
}
