//! The thread of one attempt: instantiates the program, lets it run, stores it when it was suspended, and lets it go on
//! unless the reason was that it should not.
//!
//! If the process dies here, the last checkpoint counts: it was durable before the program went on. If the lease was
//! lost, the next checkpoint is refused, and the program ends without a word.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;

use super::outcome::Ended;
use super::saved::Saved;
use super::services::{Journal, Services, open};
use super::{Program, Ready, Settings};
use crate::context::Context;
use crate::draft::Draft;
use crate::id::TaskId;
use crate::process::control::{Control, Intent};
use crate::process::engine::{Caps, Fault, Instance, Kind};
use crate::process::snapshot::{Snapshot, SnapshotError, Value};
use crate::process::suspend;
use crate::process::trap::Trap;
use crate::store::{Pushed, Settled};

/// Why a program is to be suspended; several reasons may come together.
#[derive(Debug, Default)]
pub(super) struct Reasons(AtomicU8);

/// To be stored, and to go on.
pub(super) const CHECKPOINT: u8 = 1;
/// The worker stops.
pub(super) const STOP: u8 = 2;
/// Somebody has set it aside.
pub(super) const SET_ASIDE: u8 = 4;

impl Reasons {
    pub(super) fn add(&self, reason: u8) {
        // Before the control is told, which orders this: whoever sees the program suspended sees why.
        self.0.fetch_or(reason, Ordering::SeqCst);
    }

    /// A checkpoint is taken once; the other reasons stay.
    fn take(&self) -> u8 {
        self.0.fetch_and(!CHECKPOINT, Ordering::SeqCst)
    }
}

/// The way from a program's thread to the store, which is asynchronous.
#[derive(Clone)]
pub(super) struct Port {
    ctx: Context,
    handle: Handle,
}

impl Port {
    /// For a thread that blocks.
    pub(super) fn new(ctx: Context) -> Self {
        Self { ctx, handle: Handle::current() }
    }

    pub(super) fn task(&self) -> TaskId {
        self.ctx.task()
    }

    pub(super) fn attempt(&self) -> u32 {
        self.ctx.attempt()
    }

    pub(super) fn checkpoint(&self, bytes: Option<Vec<u8>>) -> Result<Settled, Fault> {
        let store = self.ctx.client().store();
        let stored = self.handle.block_on(store.checkpoint(self.ctx.fence(), bytes));
        stored.map_err(|error| {
            Fault::new(Trap::InternalError, format!("the checkpoint is not stored: {}", error.chain()))
        })
    }

    pub(super) fn push(&self, draft: Draft) -> Result<Pushed, Fault> {
        let added = self.handle.block_on(self.ctx.client().push(vec![draft]));
        let added = added.map_err(|error| {
            Fault::new(Trap::InternalError, format!("its task is not added: {}", error.chain()))
        })?;
        added
            .pushed
            .first()
            .copied()
            .ok_or_else(|| Fault::new(Trap::InternalError, "the store did not answer for its task"))
    }
}

/// One attempt of a program, ready for its thread.
pub(super) struct Run {
    pub(super) program: Program,
    pub(super) port: Port,
    pub(super) input: Arc<[u8]>,
    /// What the store has of it.
    pub(super) stored: Option<Vec<u8>>,
    pub(super) control: Control,
    pub(super) reasons: Arc<Reasons>,
}

impl Run {
    /// Runs it until it ends or is not to go on.
    pub(super) fn run(self) -> Ended {
        let had_checkpoint = self.stored.is_some();
        let ready = match self.program.ready() {
            Ok(ready) => Arc::clone(ready),
            Err(fault) => return Ended::Fault(fault),
        };
        let saved = match &self.stored {
            None => Saved::default(),
            Some(bytes) => match Saved::decode(bytes, ready.module) {
                Ok(saved) => saved,
                Err(error) => return Ended::Unusable(error),
            },
        };
        let journal = Arc::new(Mutex::new(Journal::new(saved)));
        let ended = self.go(&ready, &journal).unwrap_or_else(|end| end);
        // What was killed from outside has not failed: a time limit is over, or the attempt is not wanted any more.
        if ended.starts_over() && self.control.intent() != Intent::Kill {
            self.forget_program(&ready, &journal, had_checkpoint);
        }
        ended
    }

    fn settings(&self) -> &Settings {
        &self.program.0.settings
    }

    fn go(&self, ready: &Ready, journal: &Arc<Mutex<Journal>>) -> Result<Ended, Ended> {
        let settings = self.settings();
        let frozen = open(journal).saved.frozen.clone();
        let services = Services {
            journal: Arc::clone(journal),
            port: self.port.clone(),
            control: self.control.clone(),
            input: Arc::clone(&self.input),
            module: ready.module,
            rules: settings.into(),
        };
        let fuel =
            settings.caps.fuel.map(|all| frozen.as_ref().and_then(|frozen| frozen.fuel).unwrap_or(all));
        let caps = Caps { fuel, ..settings.caps };
        let instance = ready.code.instantiate(caps, Box::new(services), self.control.clone());
        let mut instance = instance.map_err(Ended::Fault)?;
        check_export(&mut *instance, &settings.export).map_err(Ended::Fault)?;
        let mut entry = settings.export.to_string();
        match frozen {
            Some(frozen) => {
                let snapshot = Snapshot::decode(&frozen.snapshot, ready.module, settings.snapshot);
                let snapshot = snapshot.map_err(Ended::Unusable)?;
                instance.restore(&snapshot).map_err(Ended::Fault)?;
                rewind(&mut *instance).map_err(Ended::Fault)?;
                entry = snapshot.function;
            }
            None if settings.suspendable && instance.signature(suspend::START).is_some() => {
                suspend::START.clone_into(&mut entry);
            }
            None => {}
        }
        loop {
            let results = instance.call(&entry, &[]).map_err(Ended::Fault)?;
            if settings.suspendable && instance.is_unwound() {
                self.suspended(ready, journal, &mut *instance, &entry)?;
                rewind(&mut *instance).map_err(Ended::Fault)?;
            } else if entry == suspend::START {
                entry = settings.export.to_string();
            } else {
                let status = match results.first() {
                    Some(Value::I32(status)) => *status,
                    _ => 0,
                };
                return Ok(Ended::Returned(status, std::mem::take(&mut open(journal).output)));
            }
        }
    }

    /// The program is unwound: stores it. An error says that it is not to go on.
    fn suspended(
        &self,
        ready: &Ready,
        journal: &Mutex<Journal>,
        instance: &mut dyn Instance,
        function: &str,
    ) -> Result<(), Ended> {
        let taken = self.reasons.take();
        match self.store(ready, journal, instance, function) {
            Ok(Settled::Applied) => {}
            Ok(Settled::Stale) => return Err(Ended::Stale),
            // It goes on, or is given back: the checkpoint before counts.
            Err(fault) => tracing::warn!(task = %self.port.task(), %fault, "the program is not stored"),
        }
        self.control.honoured();
        // Looked at after that: who asks from now on finds a program that runs.
        let reasons = taken | self.reasons.take();
        if reasons & STOP != 0 {
            return Err(Ended::Stopped);
        }
        if reasons & SET_ASIDE != 0 {
            return Err(Ended::SetAside);
        }
        Ok(())
    }

    fn store(
        &self,
        ready: &Ready,
        journal: &Mutex<Journal>,
        instance: &mut dyn Instance,
        function: &str,
    ) -> Result<Settled, Fault> {
        let limits = self.settings().snapshot;
        let too_large = |error: SnapshotError| Fault::new(Trap::InternalError, error.to_string());
        let exports = instance.save()?;
        let snapshot = Snapshot {
            module: ready.module,
            function: function.to_owned(),
            globals: exports.globals,
            memories: exports.memories,
            tables: exports.tables,
        };
        let snapshot = snapshot.encode(limits).map_err(too_large)?;
        let fuel = instance.fuel();
        let mut journal = open(journal);
        journal.freeze(snapshot, fuel);
        let bytes = journal.saved.encode(ready.module, limits.bytes).map_err(too_large)?;
        drop(journal);
        self.port.checkpoint(Some(bytes))
    }

    /// The attempt failed: its steps stay for the next one, the program itself does not.
    fn forget_program(&self, ready: &Ready, journal: &Mutex<Journal>, had_checkpoint: bool) {
        let mut saved = std::mem::take(&mut open(journal).saved);
        if !had_checkpoint && saved.is_empty() {
            return;
        }
        saved.frozen = None;
        let bytes = if saved.is_empty() { None } else { saved.encode(ready.module, usize::MAX).ok() };
        if let Err(fault) = self.port.checkpoint(bytes) {
            tracing::warn!(task = %self.port.task(), %fault, "a failed program's checkpoint stays");
        }
    }
}

fn rewind(instance: &mut dyn Instance) -> Result<(), Fault> {
    instance.set_global(suspend::STATE, Value::I32(suspend::STATE_REWINDING))
}

/// The exported function is one that can be called.
fn check_export(instance: &mut dyn Instance, export: &str) -> Result<(), Fault> {
    match instance.signature(export) {
        None => Err(Fault::new(Trap::NoFunction, format!("it exports no function `{export}`"))),
        Some((parameters, results))
            if parameters.is_empty() && (results.is_empty() || results == [Kind::I32]) =>
        {
            Ok(())
        }
        Some((parameters, results)) => {
            let text = format!(
                "`{export}` takes {} parameters and gives {} results: it takes none, and gives none or an i32",
                parameters.len(),
                results.len()
            );
            Err(Fault::new(Trap::AbiViolation, text))
        }
    }
}
