//! What this process uses of the machine: CPU and memory, now and averaged over 1 and 10 minutes.
//!
//! Owns the figures and what they mean. `stats/process` reads them of the process, `stats/cgroup` what its group may
//! use, `stats/window` makes averages; all of them are given where to read and what time it is. Linux only.

mod cgroup;
mod process;
mod window;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use self::cgroup::CgroupStats;

use self::process::Reading;
use self::window::Window;
use crate::error::Result;
use crate::stopper::Stopper;

/// How often a running runtime takes a sample.
const EVERY: Duration = Duration::from_secs(10);

const MINUTE: Duration = Duration::from_secs(60);
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// What this process uses. Averages go over the last minute and the last ten, or over the time since the process began,
/// or for memory since it was first looked at, where that is shorter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// The process's processors.
    pub cpu: CpuStats,
    /// The process's memory.
    pub ram: RamStats,
    /// The limits of the control group that it runs in, and the group's memory: those of the container, if it is in one.
    pub cgroup: CgroupStats,
}

/// What this process has used of the processors. Source: `utime` and `stime` of `/proc/self/stat`, all threads, in
/// steps of 10 ms.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CpuStats {
    /// CPU time since the process began.
    pub total: Duration,
    /// CPU seconds per second over the last minute: 1.0 is one processor, always busy.
    pub rate_1m: f64,
    /// CPU seconds per second over the last ten minutes.
    pub rate_10m: f64,
    /// How fast the processors run at the moment, on average, in MHz. Source: `cpu MHz` of `/proc/cpuinfo`, which some
    /// machines do not have.
    pub megahertz: Option<f64>,
}

impl CpuStats {
    /// The total in App Engine's unit, millions of cycles. It counts all cycles at the speed of this moment.
    #[must_use]
    pub fn total_megacycles(&self) -> Option<f64> {
        Some(self.total.as_secs_f64() * self.megahertz?)
    }

    /// The average over the last minute in App Engine's unit, millions of cycles per second.
    #[must_use]
    pub fn rate_1m_megacycles(&self) -> Option<f64> {
        Some(self.rate_1m * self.megahertz?)
    }

    /// The average over the last ten minutes in App Engine's unit, millions of cycles per second.
    #[must_use]
    pub fn rate_10m_megacycles(&self) -> Option<f64> {
        Some(self.rate_10m * self.megahertz?)
    }
}

/// What this process has in memory. In bytes; App Engine's megabyte is 1048576 of them. Source: `VmRSS` of
/// `/proc/self/status`, what is shared with other processes included.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RamStats {
    /// Now.
    pub current: u64,
    /// On average over the last minute.
    pub average_1m: u64,
    /// On average over the last ten minutes.
    pub average_10m: u64,
}

/// What this process uses of the machine, now and on average.
///
/// It reads five small files of `/proc` and a few of the control group, in less than a millisecond. Averages rest on the
/// samples that a running [`Runtime`](crate::Runtime) takes every 10 seconds; without one, on earlier calls of this.
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// let stats = delay::stats()?;
/// println!("{:.2} processors busy, {} MiB", stats.cpu.rate_1m, stats.ram.current >> 20);
/// if let Some(limit) = stats.cgroup.memory_limit {
///     println!("of at most {} MiB", limit >> 20);
/// }
/// # }
/// # Ok::<(), delay::Error>(())
/// ```
///
/// # Errors
/// [`Error::is_unreadable`](crate::Error::is_unreadable) where `/proc` is not there or not as expected: on other systems
/// than Linux.
pub fn stats() -> Result<Stats> {
    static SAMPLER: Mutex<Option<Sampler>> = Mutex::new(None);
    let mut sampler = SAMPLER.lock().unwrap_or_else(PoisonError::into_inner);
    let sampler = sampler.get_or_insert_with(|| Sampler::new(Sources::default()));
    sampler.stats(sampler.began.elapsed())
}

/// Takes samples until the stopper stops. A system without `/proc` has none, and that is no fault.
pub(crate) async fn sample(stopper: Stopper) {
    let quiescing = stopper.quiescing();
    while stats().is_ok() {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = quiescing.clone() => return,
        }
    }
}

/// Where figures are read: the system's own folders, or a test's.
#[derive(Clone, Debug)]
struct Sources {
    /// `/proc`.
    proc: PathBuf,
    /// What the mount points in `/proc/self/mountinfo` are below: `/`.
    root: PathBuf,
}

impl Default for Sources {
    fn default() -> Self {
        Self { proc: PathBuf::from("/proc"), root: PathBuf::from("/") }
    }
}

/// The samples so far.
#[derive(Debug)]
struct Sampler {
    sources: Sources,
    /// When it was made; `elapsed` counts from here.
    began: Instant,
    /// How old the process was then. It is known from the first reading on.
    age: Option<Duration>,
    window: Window,
}

impl Sampler {
    fn new(sources: Sources) -> Self {
        Self { sources, began: Instant::now(), age: None, window: Window::default() }
    }

    /// Takes a sample; `elapsed` is the time since this sampler was made.
    fn stats(&mut self, elapsed: Duration) -> Result<Stats> {
        let reading = Reading::read(&self.sources)?;
        let age = *self.age.get_or_insert_with(|| reading.age.saturating_sub(elapsed));
        let now = age + elapsed;
        self.window.add(now, reading.cpu, reading.ram);
        Ok(Stats {
            cpu: CpuStats {
                total: reading.cpu,
                rate_1m: self.window.cpu_rate(MINUTE),
                rate_10m: self.window.cpu_rate(TEN_MINUTES),
                megahertz: reading.megahertz,
            },
            ram: RamStats {
                current: reading.ram,
                average_1m: self.window.ram_average(MINUTE),
                average_10m: self.window.ram_average(TEN_MINUTES),
            },
            cgroup: CgroupStats::read(&self.sources),
        })
    }
}

#[cfg(test)]
mod tests;
