//! WebAssembly programs that are called like functions.
//!
//! A program is a module that exports a function, `run` unless told otherwise, without parameters: it reads its arguments
//! and writes its result through imports (see [`abi`]). It is compiled once, runs inside this process on a thread of the
//! blocking pool, and can do nothing but compute and call those imports: no file, no socket, no memory but its own.
//!
//! ```no_run
//! use delay::process::program::{Program, task};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let report = Program::from_bytes(std::fs::read("report.wasm")?)
//!     .suspendable(true)
//!     .memory(32 << 20)
//!     .keep_result("1d");
//! let rt = delay::Runtime::builder("sqlite:jobs.db").program("report", report).build().await?;
//! rt.start().await?;
//! let handle = task::<String>("report", &[("title", "Q3")].into_iter().collect::<std::collections::BTreeMap<_, _>>())
//!     .add(&rt)
//!     .await?;
//! println!("{}", handle.result().await?);
//! # Ok(()) }
//! ```
//!
//! # Suspension
//! A program that is [`suspendable`](Program::suspendable) is stopped at its next loop iteration or call when the worker
//! stops, stored with its task, and goes on there at whichever worker claims the task next, on whatever engine and machine.
//! [`checkpoint_every`](Program::checkpoint_every) stores it now and then while it runs, so that a crash costs no more than
//! that. What happens between a checkpoint and a crash happens again: tasks that it enqueues have the same ids then, so
//! they are added once, and [`step`](abi) remembers what must not be repeated.
//!
//! An attempt that *fails* (a trap, an error status) starts over at its retry, its steps remembered. An attempt that was
//! *interrupted* (shutdown, crash, time limit) goes on from its last checkpoint. A checkpoint of another module is never
//! resumed: the program of that name has changed, and the task is held ([`Hold::ForeignSnapshot`](crate::Hold)) until a
//! worker that has the old one resumes it (`delay resume`), or somebody lets it begin anew (`delay retry`).

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::engine::{Caps, Code, Engine, Fault, Metering};
use super::snapshot::{ModuleHash, SnapshotLimits};
use super::suspend;
use super::trap::Trap;
use crate::registry::Options;
use crate::retry::Retry;
use crate::store::MOST_CHECKPOINT_BYTES;
use crate::time::IntoDuration;

pub mod abi;
#[cfg(all(feature = "process", target_os = "linux"))]
mod apart;
mod attempt;
mod cache;
mod enqueue;
mod memory;
mod outcome;
mod packed;
mod registered;
mod run;
mod saved;
mod services;

pub use cache::Cache;
pub use packed::Packed;
pub use registered::task;
pub(crate) use registered::{Programs, registration};

/// A WebAssembly module, and what it may do. Cheap to clone; clones share what was compiled.
#[derive(Clone)]
pub struct Program(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    wasm: Cow<'static, [u8]>,
    settings: Settings,
    ready: OnceLock<Result<Arc<Ready>, Fault>>,
}

/// What was asked for.
#[derive(Clone)]
struct Settings {
    suspendable: bool,
    export: Cow<'static, str>,
    engine: Option<&'static dyn Engine>,
    caps: Caps,
    output: usize,
    log: usize,
    checkpoint: Option<Duration>,
    resolution: Duration,
    enqueues: Enqueues,
    snapshot: SnapshotLimits,
    cache: Cache,
    /// Compiled in a process that is shut in like this, with these limits.
    #[cfg(feature = "process")]
    compiler: Option<(super::Isolation, super::ProcessPolicy)>,
    options: Options,
    mistake: Option<crate::Error>,
}

/// Which functions a program may enqueue calls of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Enqueues {
    Any,
    Only(Vec<Cow<'static, str>>),
}

/// A program that can be instantiated.
struct Ready {
    code: Box<dyn Code>,
    module: ModuleHash,
}

/// The engine that programs run on unless they name one: the fastest of those that are compiled in.
#[cfg(feature = "wasmtime")]
pub(super) const DEFAULT_ENGINE: &dyn Engine = &super::engine::Wasmtime;
/// The engine that programs run on unless they name one: the fastest of those that are compiled in.
#[cfg(not(feature = "wasmtime"))]
pub(super) const DEFAULT_ENGINE: &dyn Engine = &super::engine::Wasmi;

impl Program {
    /// A program from a module's bytes: 64 MiB of memory, a result of at most 1 MiB, no limit on its instructions, and
    /// no right to enqueue anything. Nothing is compiled or checked yet.
    #[must_use]
    pub fn from_bytes(wasm: impl Into<Cow<'static, [u8]>>) -> Self {
        let settings = Settings {
            suspendable: false,
            export: Cow::Borrowed("run"),
            engine: None,
            caps: Caps { memory: 64 << 20, elements: 100_000, fuel: None },
            output: 1 << 20,
            log: 1 << 20,
            checkpoint: None,
            resolution: Duration::from_millis(1),
            enqueues: Enqueues::Only(Vec::new()),
            snapshot: SnapshotLimits { bytes: MOST_CHECKPOINT_BYTES, ..SnapshotLimits::default() },
            cache: Cache::default(),
            #[cfg(feature = "process")]
            compiler: None,
            options: Options::DEFAULT,
            mistake: None,
        };
        Self(Arc::new(Inner { wasm: wasm.into(), settings, ready: OnceLock::new() }))
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        set(&mut inner.settings);
        inner.ready = OnceLock::new();
        self
    }

    /// Whether it can be suspended, which makes loops a little and calls noticeably slower; see [`suspend`].
    #[must_use]
    pub fn suspendable(self, yes: bool) -> Self {
        self.with(|settings| settings.suspendable = yes)
    }

    /// Stores the running program this often; it has to be [`suspendable`](Self::suspendable).
    #[must_use]
    pub fn checkpoint_every(self, interval: impl IntoDuration) -> Self {
        self.duration(interval, |settings, interval| settings.checkpoint = Some(interval))
    }

    /// The exported function that is called; `run`.
    #[must_use]
    pub fn export(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with(|settings| settings.export = name.into())
    }

    /// Runs it on this engine. A program that was suspended on one goes on on any other.
    #[must_use]
    pub fn engine(self, engine: &'static dyn Engine) -> Self {
        self.with(|settings| settings.engine = Some(engine))
    }

    /// The most bytes that all its memories may have together. A program that wants more is told so by `memory.grow`.
    #[must_use]
    pub fn memory(self, bytes: usize) -> Self {
        self.with(|settings| settings.caps.memory = bytes)
    }

    /// The most instructions, roughly, that it may take from its start to its end, however often it is suspended. To
    /// count them costs a third of the speed or so; the wall clock is limited by [`timeout`](Self::timeout) for nothing.
    #[must_use]
    pub fn fuel(self, instructions: u64) -> Self {
        self.with(|settings| settings.caps.fuel = Some(instructions))
    }

    /// The most bytes of its result; 1 MiB.
    #[must_use]
    pub fn output(self, bytes: usize) -> Self {
        self.with(|settings| settings.output = bytes)
    }

    /// How fine the clocks are that it sees, at most a second; 1 ms. Coarse clocks tell untrusted programs less about
    /// what else the machine does.
    #[must_use]
    pub fn time_resolution(self, resolution: Duration) -> Self {
        self.with(|settings| {
            settings.resolution = resolution.clamp(Duration::from_nanos(1), Duration::from_secs(1))
        })
    }

    /// Lets it enqueue calls of these functions, by their identities.
    #[must_use]
    pub fn enqueues<F: Into<Cow<'static, str>>>(self, functions: impl IntoIterator<Item = F>) -> Self {
        let functions = functions.into_iter().map(Into::into).collect();
        self.with(|settings| settings.enqueues = Enqueues::Only(functions))
    }

    /// Lets it enqueue calls of every function: for programs that are trusted like functions.
    #[must_use]
    pub fn enqueues_anything(self) -> Self {
        self.with(|settings| settings.enqueues = Enqueues::Any)
    }

    /// How large a snapshot of it may be, and what it may unpack to.
    #[must_use]
    pub fn snapshot_limits(self, limits: SnapshotLimits) -> Self {
        self.with(|settings| settings.snapshot = limits)
    }

    /// Where compiled code is kept between runs of this process.
    #[must_use]
    pub fn cache(self, cache: Cache) -> Self {
        self.with(|settings| settings.cache = cache)
    }

    /// Compiles it in a process of its own, which is shut in like this and may use so much: for modules that nobody vouches
    /// for (feature `process`, Linux). One that keeps the compiler busy for too long, wants too much memory for it, or makes
    /// it crash, is refused with that reason and does nothing else. `main` has to begin with [`init`](super::init), as
    /// [`delay::main`](macro@crate::main) does.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use delay::process::program::Program;
    /// use delay::process::{Isolation, ProcessPolicy};
    ///
    /// # fn example(uploaded: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
    /// let limits = ProcessPolicy::default().memory(512 << 20).cpu_time(Duration::from_secs(30));
    /// let program = Program::from_bytes(uploaded).compile_apart(Isolation::of_this_user(), limits);
    /// program.compile()?; // the customer learns now what is wrong with it
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "process")]
    #[must_use]
    pub fn compile_apart(self, isolation: super::Isolation, limits: super::ProcessPolicy) -> Self {
        self.with(|settings| settings.compiler = Some((isolation, limits)))
    }

    /// The time limit of one attempt, for programs that are registered at run time.
    #[must_use]
    pub fn timeout(self, limit: impl IntoDuration) -> Self {
        self.duration(limit, |settings, limit| settings.options.timeout = Some(limit))
    }

    /// How long its result is kept, for programs that are registered at run time.
    #[must_use]
    pub fn keep_result(self, keep: impl IntoDuration) -> Self {
        self.duration(keep, |settings, keep| settings.options.keep_result = Some(keep))
    }

    /// When a failure is tried again, for programs that are registered at run time.
    #[must_use]
    pub fn retry(self, retry: Retry) -> Self {
        self.with(|settings| settings.options.retry = Some(retry))
    }

    fn duration(self, text: impl IntoDuration, set: impl FnOnce(&mut Settings, Duration)) -> Self {
        match text.into_duration() {
            Ok(duration) => self.with(|settings| set(settings, duration)),
            Err(error) => self.with(|settings| settings.mistake = Some(error)),
        }
    }

    /// Compiles it, or finds it compiled. Attempts do this by themselves; a program that is compiled when the worker
    /// starts is told about its mistakes then.
    ///
    /// # Errors
    /// What is wrong with the module: it is not valid, or cannot be made suspendable, or uses what the engine does not
    /// offer.
    pub fn compile(&self) -> Result<(), Fault> {
        self.ready().map(drop)
    }

    fn ready(&self) -> Result<&Arc<Ready>, Fault> {
        let ready = self.0.ready.get_or_init(|| self.make_ready().map(Arc::new));
        ready.as_ref().map_err(Clone::clone)
    }

    fn make_ready(&self) -> Result<Ready, Fault> {
        let Inner { wasm, settings, .. } = &*self.0;
        let engine = settings.engine.unwrap_or(DEFAULT_ENGINE);
        let metering = settings.caps.metering();
        let module = ModuleHash::of(wasm);
        let suspendable = settings.suspendable;
        let translation = Translation { wasm, engine, metering, suspendable };
        #[cfg(feature = "process")]
        let compile = || match &settings.compiler {
            Some((isolation, limits)) => translation.apart(*isolation, limits),
            None => translation.here(),
        };
        #[cfg(not(feature = "process"))]
        let compile = || translation.here();
        let key = cache::Key {
            module,
            transformed: suspendable,
            engine: engine.name(),
            version: engine.version(metering),
        };
        let code = settings.cache.code(&key, compile, |artefact| engine.load(artefact, metering))?;
        Ok(Ready { code, module })
    }
}

/// A module, and what it is to be made into.
struct Translation<'a> {
    wasm: &'a [u8],
    engine: &'a dyn Engine,
    metering: Metering,
    suspendable: bool,
}

impl Translation<'_> {
    /// In this process.
    fn here(&self) -> Result<Vec<u8>, Fault> {
        if !self.suspendable {
            return self.engine.compile(self.wasm, self.metering);
        }
        let refused = |refusal: suspend::Refusal| {
            Fault::new(Trap::AbiDeficiency, format!("it cannot be made suspendable: {refusal}"))
        };
        let transformed = suspend::transform(self.wasm).map_err(refused)?;
        self.engine.compile(&transformed.wasm, self.metering)
    }

    /// In a process of its own.
    #[cfg(all(feature = "process", target_os = "linux"))]
    fn apart(&self, isolation: super::Isolation, limits: &super::ProcessPolicy) -> Result<Vec<u8>, Fault> {
        apart::compile(self, isolation, limits)
    }

    /// In a process of its own.
    #[cfg(all(feature = "process", not(target_os = "linux")))]
    fn apart(&self, _: super::Isolation, _: &super::ProcessPolicy) -> Result<Vec<u8>, Fault> {
        Err(Fault::new(Trap::AbiDeficiency, "processes of their own, to compile in, need Linux"))
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { wasm, settings, .. } = &*self.0;
        f.debug_struct("Program")
            .field("bytes", &wasm.len())
            .field("export", &settings.export)
            .field("suspendable", &settings.suspendable)
            .finish_non_exhaustive()
    }
}
