//! What a `crash_worker` process is told to do: the test writes it, the process reads it.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lying::Lie;

/// What a `crash_worker` is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    /// The store's URL.
    pub store: String,
    /// Where it writes its history.
    pub history: PathBuf,
    /// What it adds before it does anything else.
    pub add: Vec<Call>,
    /// Whether it goes on adding tasks until it is killed; the number is the seed.
    pub produce: Option<u64>,
    /// Whether and how it works.
    pub work: Option<Work>,
    /// What its store lies about.
    pub lie: Option<Lie>,
}

/// How a worker works.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Work {
    /// So many attempts at once.
    pub concurrency: usize,
    /// Its lease.
    pub lease: Duration,
    /// How long running tasks may take to end once it is to stop.
    pub grace: Duration,
    /// After so many crashes a task is held.
    pub max_crashes: u32,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            concurrency: 16,
            // So long that no test lives to see it run out.
            lease: Duration::from_secs(3600),
            grace: Duration::from_secs(3600),
            max_crashes: u32::MAX,
        }
    }
}

/// The functions of a `crash_worker`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Does nothing.
    Quick,
    /// Does nothing, as a plain function.
    Plain,
    /// Gives way to others so many times.
    Busy(u32),
    /// Fails so many times before it succeeds.
    Flaky(u32),
    /// Adds so many tasks.
    Parent(u32),
    /// Waits until the process's standard input is closed.
    Gate,
    /// Ends when the worker begins to stop.
    Brief,
    /// Never ends; notes when the worker begins to stop.
    Endless,
    /// Takes its process with it.
    Abort,
}
