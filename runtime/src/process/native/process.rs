//! A process, as its owner has it: made by an executor, started once, served once, and gone when it is dropped.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::time::Instant;

use super::cause::{Cause, Usage};
use super::entry::Image;
use super::intent::Intent;
use super::key::ProcessKey;
use super::policy::ProcessPolicy;
use super::seat::Seat;
use super::serve::Serving;
use super::service::{Buffers, Services};
use super::start::Start;
use super::state::ProcessState;
use crate::error::{Error, Kind, Result};
use crate::process::trap::Ended;

/// One process. It takes a slot of its executor until it is reaped; dropping this kills it.
///
/// It is [`start`](Self::start)ed once, with one image, and [`serve`](Self::serve)d once. Handles on it can be had at any
/// time, and what they want of it only grows: nothing, that it suspends itself, that it is killed.
pub struct Process {
    seat: Arc<Seat>,
    packets: UnixStream,
    output: pipe::Receiver,
    life: Life,
}

enum Life {
    Made,
    Started { policy: ProcessPolicy, at: Instant },
    Served,
}

impl Served {
    /// Where it stands: whether it can go on.
    #[must_use]
    pub fn state(&self) -> ProcessState {
        ProcessState::of(self.ended)
    }
}

/// What a process came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Served {
    /// Its result, and the trap it ended at.
    pub ended: Ended,
    /// Why it ended, in one line.
    pub cause: Cause,
    /// What it used.
    pub usage: Usage,
    /// How long it ran.
    pub time: Duration,
    /// What it printed last, at most 2 KiB.
    pub last_words: String,
    /// What is left for a process that goes on where it was.
    pub buffers: Buffers,
}

impl Process {
    pub(super) fn new(seat: Arc<Seat>, packets: UnixStream, output: pipe::Receiver) -> Self {
        Self { seat, packets, output, life: Life::Made }
    }

    /// Its identity.
    #[must_use]
    pub fn key(&self) -> ProcessKey {
        self.seat.key
    }

    /// A handle on it, for whoever may want to end it.
    #[must_use]
    pub fn handle(&self) -> ProcessHandle {
        ProcessHandle(Arc::clone(&self.seat))
    }

    /// Gives it its image and its limits, and lets it run.
    ///
    /// # Errors
    /// [`Error::is_wrong_state`] if it was started before, [`Error::is_invalid_option`] for limits that make no sense. That
    /// it could not run at all is what [`serve`](Self::serve) tells.
    ///
    /// # Cancel safety
    /// Dropping the future leaves a process that never runs: drop it as well.
    pub async fn start(&mut self, image: &Image, policy: &ProcessPolicy) -> Result<()> {
        if !matches!(self.life, Life::Made) {
            return Err(Error::new(Kind::WrongState, "a process is started once: take another one"));
        }
        policy.check()?;
        if image.input.len() > Image::MOST_INPUT {
            let text = format!("the input of a process has {} bytes, 64 MiB are allowed", image.input.len());
            return Err(Error::new(Kind::PayloadTooLarge, text));
        }
        let start = Start::encode(image, policy);
        let start = start.map_err(|error| Error::with_source(Kind::Encode, "cannot pack a start", error))?;
        self.life = Life::Started { policy: policy.clone(), at: Instant::now() };
        // If it is gone already, serving it tells how.
        let _ = self.packets.write_all(&start).await;
        Ok(())
    }

    /// Serves it until it has ended and is reaped.
    ///
    /// # Errors
    /// [`Error::is_wrong_state`] if it was not started, or was served before.
    ///
    /// # Cancel safety
    /// Dropping the future wants the process to suspend itself. It is not served any more; drop it to end it.
    pub async fn serve(&mut self, services: &Services) -> Result<Served> {
        match std::mem::replace(&mut self.life, Life::Served) {
            Life::Started { policy, at } => {
                let unserved = Unserved(Some(Arc::clone(&self.seat)));
                let serving = Serving::new(&self.seat, services, &policy, at);
                let served = serving.run(&mut self.packets, &mut self.output).await;
                unserved.done();
                Ok(served)
            }
            life => {
                let text = match life {
                    Life::Made => "a process is started before it is served",
                    _ => "a process is served once",
                };
                self.life = life;
                Err(Error::new(Kind::WrongState, text))
            }
        }
    }

    /// Wants it to suspend itself; see [`ProcessHandle::suspend`].
    pub fn suspend(&self) {
        self.seat.want(Intent::Suspend);
    }

    /// Kills it; see [`ProcessHandle::kill`].
    pub fn kill(&self) {
        self.seat.want(Intent::Kill);
    }

    /// Kills it, and waits until it is reaped and its slot free.
    ///
    /// # Cancel safety
    /// It is killed once this is polled; only the waiting can be dropped.
    pub async fn close(self) {
        self.kill();
        self.seat.ended().await;
    }

    /// Keeps `thing` until the process is reaped: a permit, a lock, what counts it.
    pub fn hold(&self, thing: impl Any + Send) {
        self.seat.hold(thing);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.seat.want(Intent::Kill);
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({}, wanted: {:?})", self.seat.key, self.seat.wanted())
    }
}

/// Wants a process suspended whose serving was dropped.
struct Unserved(Option<Arc<Seat>>);

impl Unserved {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Unserved {
    fn drop(&mut self) {
        if let Some(seat) = &self.0 {
            seat.want(Intent::Suspend);
        }
    }
}

/// A handle on a process: cheap to clone, and good at any time, from before the process's start until long after its end.
#[derive(Clone)]
pub struct ProcessHandle(Arc<Seat>);

impl ProcessHandle {
    /// The process's identity.
    #[must_use]
    pub fn key(&self) -> ProcessKey {
        self.0.key
    }

    /// Wants it to suspend itself: what runs in it is asked to, and decides when. Any number of times; nothing after a
    /// [`kill`](Self::kill).
    pub fn suspend(&self) {
        self.0.want(Intent::Suspend);
    }

    /// Kills it, for certain: it is not asked. Any number of times, after a suspend as well.
    pub fn kill(&self) {
        self.0.want(Intent::Kill);
    }

    /// What is wanted of it.
    #[must_use]
    pub fn wanted(&self) -> Intent {
        self.0.wanted()
    }

    /// Its id on this machine, while it lives.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.0.pid()
    }

    /// How long ago it was asked for.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.0.since.elapsed()
    }

    /// Waits until it exists, or never will.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn began(&self) {
        self.0.began().await;
    }

    /// Waits until it has ended and is reaped.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ended(&self) {
        self.0.ended().await;
    }
}

impl fmt::Debug for ProcessHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProcessHandle({}, wanted: {:?})", self.0.key, self.0.wanted())
    }
}
