//! What the host does for a running program: the functions of [`abi`](super::abi).
//!
//! They run on the program's own thread, so they may wait for the store. What they remember is in a [`Journal`], which
//! the thread's loop shares: it goes into the program's checkpoint.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::abi::Service;
use super::enqueue;
use super::memory::{Part, long, word};
use super::run::Port;
use super::saved::{Frozen, Saved};
use super::{Enqueues, Settings};
use crate::process::control::{Control, Intent};
use crate::process::engine::{Fault, Host, Import};
use crate::process::snapshot::{ModuleHash, Value};
use crate::process::trap::Trap;
use crate::store::{Pushed, Settled};

/// The most bytes of one line of a log.
const LINE: usize = 4096;

/// The most bytes that all steps may take together, keys and values.
const STEPS: usize = 1 << 20;

/// What a program has done so far.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) saved: Saved,
    pub(super) output: Vec<u8>,
    pub(super) enqueued: u64,
    /// How long it ran before this attempt.
    before: Duration,
    began: Instant,
    logged: usize,
}

impl Journal {
    /// Where a checkpoint left off, or at the beginning.
    pub(super) fn new(saved: Saved) -> Self {
        let frozen = saved.frozen.as_ref();
        let (output, enqueued, elapsed) = frozen
            .map_or((Vec::new(), 0, 0), |frozen| (frozen.output.clone(), frozen.enqueued, frozen.elapsed));
        let before = Duration::from_nanos(elapsed);
        Self { saved, output, enqueued, before, began: Instant::now(), logged: 0 }
    }

    fn elapsed(&self) -> Duration {
        self.before + self.began.elapsed()
    }

    /// Notes what the program is at this moment.
    pub(super) fn freeze(&mut self, snapshot: Vec<u8>, fuel: Option<u64>) {
        self.saved.frozen = Some(Frozen {
            snapshot,
            output: self.output.clone(),
            enqueued: self.enqueued,
            elapsed: nanos(self.elapsed()) as u64,
            fuel,
        });
    }
}

/// The host's side of one instance.
pub(super) struct Services {
    pub(super) journal: Arc<Mutex<Journal>>,
    pub(super) port: Port,
    pub(super) control: Control,
    pub(super) input: Arc<[u8]>,
    pub(super) module: ModuleHash,
    pub(super) rules: Rules,
}

/// What the program may do.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) output: usize,
    pub(super) log: usize,
    pub(super) resolution: Duration,
    pub(super) enqueues: Enqueues,
    pub(super) checkpoint: usize,
}

impl From<&Settings> for Rules {
    fn from(settings: &Settings) -> Self {
        Self {
            output: settings.output,
            log: settings.log,
            resolution: settings.resolution,
            enqueues: settings.enqueues.clone(),
            checkpoint: settings.snapshot.bytes,
        }
    }
}

pub(super) fn open(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    // A panic inside leaves a journal that is whole: every change of it is one step.
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl Services {
    fn output(&self, bytes: &[u8]) -> Result<(), Fault> {
        let mut journal = open(&self.journal);
        if journal.output.len() + bytes.len() > self.rules.output {
            let text = format!("its result takes more than the {} bytes that it may", self.rules.output);
            return Err(Fault::new(Trap::Killed, text));
        }
        journal.output.extend_from_slice(bytes);
        Ok(())
    }

    /// A line for the log, as long as there is room: a program cannot fill a disk with it.
    fn log(&self, level: u32, line: &[u8]) {
        let mut journal = open(&self.journal);
        let line = &line[..line.len().min(LINE)];
        let room = self.rules.log.saturating_sub(journal.logged);
        journal.logged = journal.logged.saturating_add(line.len() + 1);
        let (task, full) = (self.port.task(), room <= line.len());
        drop(journal);
        if full {
            if room > 0 {
                tracing::warn!(%task, "the program has logged too much; the rest is left out");
            }
            return;
        }
        let line: String = String::from_utf8_lossy(line).chars().map(printable).collect();
        match level {
            0 => tracing::error!(target: "delay::program", %task, "{line}"),
            1 => tracing::warn!(target: "delay::program", %task, "{line}"),
            2 => tracing::info!(target: "delay::program", %task, "{line}"),
            3 => tracing::debug!(target: "delay::program", %task, "{line}"),
            _ => tracing::trace!(target: "delay::program", %task, "{line}"),
        }
    }

    fn clock(&self, which: u32) -> Result<i64, Fault> {
        let time = match which {
            0 => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            1 => open(&self.journal).elapsed(),
            which => {
                return Err(Fault::new(
                    Trap::AbiViolation,
                    format!("there is no clock {which}; there are 0 and 1"),
                ));
            }
        };
        let time = nanos(time);
        Ok(time - time % nanos(self.rules.resolution).max(1))
    }

    fn enqueue(&self, payload: &[u8], options: &[u8]) -> Result<i32, Fault> {
        let mut journal = open(&self.journal);
        let number = journal.enqueued;
        let id = enqueue::derived(self.port.task(), number, payload, options);
        let draft = enqueue::draft(payload, options, &self.rules.enqueues, id)?;
        journal.enqueued += 1;
        drop(journal);
        match self.port.push(draft)? {
            Pushed::Added => Ok(0),
            Pushed::NameTaken(_) => Ok(1),
        }
    }

    /// The value of a step that is done.
    fn step(&self, key: &[u8]) -> Option<Vec<u8>> {
        let journal = open(&self.journal);
        let found = journal.saved.steps.iter().find(|(done, _)| done == key);
        found.map(|(_, value)| value.clone())
    }

    fn step_done(&self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        let mut journal = open(&self.journal);
        if journal.saved.steps.iter().any(|(done, _)| done == key) {
            return Err(Fault::new(
                Trap::AbiViolation,
                "a step that is done is done again: ask `step` before",
            ));
        }
        let size = |(key, value): &(Vec<u8>, Vec<u8>)| key.len() + value.len();
        let taken = journal.saved.steps.iter().map(size).sum::<usize>() + key.len() + value.len();
        if taken > STEPS {
            let text = format!("its steps take {taken} bytes, and {STEPS} are kept");
            return Err(Fault::new(Trap::Killed, text));
        }
        journal.saved.steps.push((key.to_vec(), value.to_vec()));
        let encoded = journal.saved.encode(self.module, self.rules.checkpoint);
        drop(journal);
        let bytes = encoded.map_err(|error| Fault::new(Trap::Killed, error.to_string()))?;
        match self.port.checkpoint(Some(bytes))? {
            Settled::Applied => Ok(()),
            Settled::Stale => Err(Fault::new(Trap::Killed, "another attempt counts")),
        }
    }
}

/// A log is for people's terminals: no line breaks out of its line.
fn printable(char: char) -> char {
    if char.is_control() && char != '\t' { '\u{fffd}' } else { char }
}

impl Host for Services {
    fn find(&mut self, import: &Import<'_>) -> Result<u32, String> {
        Service::find(import).map(Service::number)
    }

    fn call(
        &mut self,
        function: u32,
        memory: &mut [u8],
        arguments: &[Value],
        results: &mut [Value],
    ) -> Result<(), Fault> {
        // A program in the host's hands is nowhere else looked after.
        if self.control.intent() == Intent::Kill {
            return Err(Fault::new(Trap::Killed, ""));
        }
        let service = Service::from_number(function)
            .ok_or_else(|| Fault::new(Trap::InternalError, "an import without a number"))?;
        let part = |memory: &[u8], at: usize| Part::new(memory, word(arguments, at), word(arguments, at + 1));
        let result = match service {
            Service::InputSize => Some(Value::I32(self.input.len() as i32)),
            Service::Input => {
                let offset = (word(arguments, 1) as usize).min(self.input.len());
                let length = (word(arguments, 2) as usize).min(self.input.len() - offset);
                let to = Part::new(memory, word(arguments, 0), length as u32)?;
                to.of_mut(memory).copy_from_slice(&self.input[offset..offset + length]);
                Some(Value::I32(length as i32))
            }
            Service::Output => {
                self.output(part(memory, 0)?.of(memory))?;
                None
            }
            Service::Log => {
                self.log(word(arguments, 0), part(memory, 1)?.of(memory));
                None
            }
            Service::Progress => {
                let (done, total) = (long(arguments, 0), long(arguments, 1));
                tracing::debug!(target: "delay::program", task = %self.port.task(), done, total, "progress");
                None
            }
            Service::Clock => Some(Value::I64(self.clock(word(arguments, 0))?)),
            Service::Random => {
                let to = part(memory, 0)?;
                getrandom::fill(to.of_mut(memory))
                    .map_err(|error| Fault::new(Trap::InternalError, format!("no random bytes: {error}")))?;
                None
            }
            Service::Attempt => Some(Value::I32(self.port.attempt() as i32)),
            Service::Enqueue => {
                let (payload, options) = (part(memory, 0)?, part(memory, 2)?);
                Some(Value::I32(self.enqueue(payload.of(memory), options.of(memory))?))
            }
            Service::Step => {
                let found = self.step(part(memory, 0)?.of(memory));
                let to = part(memory, 2)?;
                Some(Value::I32(match found {
                    None => -1,
                    Some(value) => {
                        let room = to.of_mut(memory);
                        if value.len() <= room.len() {
                            room[..value.len()].copy_from_slice(&value);
                        }
                        value.len() as i32
                    }
                }))
            }
            Service::StepDone => {
                let (key, value) = (part(memory, 0)?, part(memory, 2)?);
                self.step_done(key.of(memory), value.of(memory))?;
                None
            }
        };
        if let (Some(place), Some(value)) = (results.first_mut(), result) {
            *place = value;
        }
        Ok(())
    }
}
