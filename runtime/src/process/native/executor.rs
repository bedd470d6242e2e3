//! The executor: keeps a container, counts the processes in it, and hears what becomes of them.
//!
//! Invariants:
//! - A slot is taken before a process is asked for and freed when it is reaped, or certain never to exist.
//! - A process's number is never used twice.
//! - When the container has died, every process of it is told so, once.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::isolation::Isolation;
use super::key::ProcessKey;
use super::launch;
use super::process::Process;
use super::seat::{Seat, Stage};
use super::wire::{self, Event, Fork};
use crate::error::{Error, Kind, Result};
use crate::stopper::Stopper;

/// How an executor is to be.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// The most processes at once. 0 means [`Executor::MOST_PROCS`]; more than that is an error.
    pub max_procs: usize,
    /// How far they are kept away from the machine.
    pub isolation: Isolation,
}

impl Config {
    /// At most so many processes at once.
    #[must_use]
    pub fn max_procs(mut self, processes: usize) -> Self {
        self.max_procs = processes;
        self
    }

    /// Kept away from the machine like this.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }
}

/// Manages processes in a container of its own. Cheap to clone; when the last clone is dropped, or the stopper stops, the
/// container ends and every process in it.
#[derive(Clone)]
pub struct Executor {
    shared: Arc<Shared>,
    _life: Arc<DropGuard>,
}

struct Shared {
    number: u32,
    max_procs: usize,
    isolation: Isolation,
    control: AsyncFd<OwnedFd>,
    container: AsyncFd<OwnedFd>,
    slots: Arc<Semaphore>,
    next: AtomicU32,
    processes: Mutex<HashMap<u32, (Arc<Seat>, OwnedSemaphorePermit)>>,
    dead: CancellationToken,
}

impl Executor {
    /// The most processes of one executor.
    pub const MOST_PROCS: usize = 16_384;

    /// Starts a container. It ends with the stopper.
    ///
    /// # Errors
    /// [`Error::is_invalid_option`] for too many processes or if [`init`](super::init) was not called;
    /// [`Error::is_not_isolated`] with the missing privilege if the machine does not grant the isolation;
    /// [`Error::is_stopping`] under a stopper that stops.
    ///
    /// # Cancel safety
    /// Dropping the future ends the container.
    pub async fn start(stopper: &Stopper, config: Config) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let max_procs = match config.max_procs {
            0 => Self::MOST_PROCS,
            processes if processes <= Self::MOST_PROCS => processes,
            processes => {
                let text = format!("an executor has at most {} processes, not {processes}", Self::MOST_PROCS);
                return Err(Error::new(Kind::InvalidOption, text));
            }
        };
        let launched = launch::launch(config.isolation).await?;
        let closing = CancellationToken::new();
        let shared = Arc::new(Shared {
            number: NUMBER.fetch_add(1, Ordering::Relaxed), // only unique
            max_procs,
            isolation: config.isolation,
            control: launched.control,
            container: launched.container,
            slots: Arc::new(Semaphore::new(max_procs)),
            next: AtomicU32::new(1),
            processes: Mutex::default(),
            dead: CancellationToken::new(),
        });
        let stopping = stopper.stopping();
        let (watched, closed) = (Arc::clone(&shared), closing.clone());
        let watch = async move {
            tokio::select! {
                () = stopping => {}
                () = closed.cancelled() => {}
                error = watched.hear() => {
                    tracing::error!(executor = watched.number, %error, "a container died, and its processes with it");
                }
            }
            watched.bury().await;
        };
        stopper.run_worker("delay::executor", watch).map_err(|_| {
            shared.kill_container();
            Error::new(Kind::Stopping, "the stopper is stopping: no container is started under it")
        })?;
        Ok(Self { shared, _life: Arc::new(closing.drop_guard()) })
    }

    /// Waits for a free slot and takes it with a new process, which waits for its start.
    ///
    /// # Errors
    /// [`Error::is_unavailable`] if the executor is dead.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no process behind: one that was asked for already is closed.
    pub async fn new_process(&self) -> Result<Process> {
        let slots = Arc::clone(&self.shared.slots);
        let slot = tokio::select! {
            biased;
            () = self.shared.dead.cancelled() => return Err(dead()),
            slot = slots.acquire_owned() => slot.map_err(|_| dead())?,
        };
        self.fork(slot).await
    }

    /// A new process if a slot is free now.
    ///
    /// # Errors
    /// As [`new_process`](Self::new_process).
    pub async fn try_new_process(&self) -> Result<Option<Process>> {
        match Arc::clone(&self.shared.slots).try_acquire_owned() {
            Ok(slot) => self.fork(slot).await.map(Some),
            Err(_) if self.is_dead() => Err(dead()),
            Err(_) => Ok(None),
        }
    }

    async fn fork(&self, slot: OwnedSemaphorePermit) -> Result<Process> {
        let shared = &self.shared;
        let key =
            ProcessKey { executor: shared.number, process: shared.next.fetch_add(1, Ordering::Relaxed) };
        let seat = Arc::new(Seat::new(key));
        let asked = shared.ask(&seat, slot).await;
        let (packets, output) = asked
            .map_err(|error| Error::with_source(Kind::Unavailable, "no process could be asked for", error))?;
        Ok(Process::new(seat, packets, output))
    }

    /// Waits until the container has died unasked, or has ended in any other way.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn dead(&self) {
        self.shared.dead.cancelled().await;
    }

    /// Whether the container has ended: no process can be had any more.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.shared.dead.is_cancelled()
    }

    /// The most processes at once.
    #[must_use]
    pub fn max_procs(&self) -> usize {
        self.shared.max_procs
    }

    /// How many slots are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.shared.slots.available_permits()
    }

    /// How its processes are kept away from the machine.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.shared.isolation
    }

    /// The container's id on this machine, while it lives; for those who look at it from outside.
    #[must_use]
    pub fn container(&self) -> Option<u32> {
        launch::pid_of(self.shared.container.get_ref())
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("number", &self.shared.number)
            .field("isolation", &self.shared.isolation)
            .field("max_procs", &self.shared.max_procs)
            .field("free", &self.free())
            .finish_non_exhaustive()
    }
}

fn dead() -> Error {
    Error::new(Kind::Unavailable, "the executor is dead: start another one")
}

/// A request for a process that may not be sent after all: its slot is then free again.
struct Unsent<'a> {
    shared: &'a Shared,
    process: u32,
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        self.shared.locked().remove(&self.process);
    }
}

impl Shared {
    /// Sends the request for a process and our ends of what it talks through.
    async fn ask(
        &self,
        seat: &Arc<Seat>,
        slot: OwnedSemaphorePermit,
    ) -> io::Result<(UnixStream, pipe::Receiver)> {
        let process = seat.key.process;
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let packets = UnixStream::from_std(ours)?;
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let output = pipe::Receiver::from_owned_fd(read)?;
        self.locked().insert(process, (Arc::clone(seat), slot));
        let unsent = Unsent { shared: self, process };
        if self.dead.is_cancelled() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let message = Fork { process }.encode();
        let sent = self.control.async_io(tokio::io::Interest::WRITABLE, |control| {
            wire::send(control, &message, &[theirs.as_fd(), write.as_fd()])
        });
        sent.await?;
        // From here on the slot is the container's to free.
        std::mem::forget(unsent);
        Ok((packets, output))
    }

    /// Hears what becomes of processes, until the container is gone.
    async fn hear(&self) -> io::Error {
        loop {
            if let Err(error) = self.hear_once().await {
                return error;
            }
        }
    }

    async fn hear_once(&self) -> io::Result<()> {
        let mut message = [0; 64];
        let heard = self
            .control
            .async_io(tokio::io::Interest::READABLE, |control| wire::receive(control, &mut message));
        let (length, fds) = heard.await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let wrong = || io::Error::from(io::ErrorKind::InvalidData);
        match Event::decode(&message[..length]).ok_or_else(wrong)? {
            Event::Forked { process } => {
                let seat = self.locked().get(&process).map(|(seat, _)| Arc::clone(seat));
                if let (Some(seat), Some(pidfd)) = (seat, fds.into_iter().next()) {
                    seat.born(pidfd);
                }
            }
            Event::NotForked { process, errno } => self.end(process, Stage::Unborn { errno }),
            Event::Reaped { process, reaped } => self.end(process, Stage::Reaped(reaped)),
            Event::Ready | Event::Refused { .. } => return Err(wrong()),
        }
        Ok(())
    }

    fn end(&self, process: u32, stage: Stage) {
        let ended = self.locked().remove(&process);
        if let Some((seat, slot)) = ended {
            // First the slot: whoever is told of the end finds it free.
            drop(slot);
            seat.end(stage);
        }
    }

    /// The container is to end, or has: sees to it, reaps it, and tells all who are concerned.
    async fn bury(&self) {
        self.kill_container();
        let reaped = self.container.async_io(tokio::io::Interest::READABLE, |container| {
            let id = WaitId::PidFd(container.as_fd());
            match waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOHANG)? {
                Some(_) => Ok(()),
                None => Err(io::ErrorKind::WouldBlock.into()),
            }
        });
        // Somebody who waits for any child may have reaped it before us; it is gone in either case.
        let _ = tokio::time::timeout(Duration::from_secs(5), reaped).await;
        self.dead.cancel();
        self.slots.close();
        let orphans: Vec<_> = self.locked().drain().collect();
        for (_, (seat, slot)) in orphans {
            drop(slot);
            seat.end(Stage::Orphaned);
        }
    }

    fn kill_container(&self) {
        let _ = pidfd_send_signal(self.container.get_ref(), Signal::KILL); // refused only if it has ended
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<u32, (Arc<Seat>, OwnedSemaphorePermit)>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
