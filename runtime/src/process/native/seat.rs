//! A process's seat: what its owner, its handles and the executor share of it, from before it exists until it is reaped.

use std::any::Any;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use rustix::process::{Signal, pidfd_send_signal};
use tokio::sync::watch;

use super::intent::{Intent, Wanted};
use super::key::ProcessKey;
use super::sys::Reaped;

/// Where a process is in its life.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// It was asked for.
    Asked,
    /// It is there.
    Born,
    /// The container could not fork it.
    Unborn { errno: i32 },
    /// It has ended and is reaped.
    Reaped(Reaped),
    /// Its container has died, and it with that.
    Orphaned,
}

impl Stage {
    fn is_end(self) -> bool {
        !matches!(self, Self::Asked | Self::Born)
    }
}

#[derive(Debug)]
pub(super) struct Seat {
    pub(super) key: ProcessKey,
    pub(super) since: Instant,
    wanted: Wanted,
    pidfd: OnceLock<OwnedFd>,
    stage: watch::Sender<Stage>,
    /// What is let go of when the process is reaped.
    held: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl Seat {
    pub(super) fn new(key: ProcessKey) -> Self {
        Self {
            key,
            since: Instant::now(),
            wanted: Wanted::default(),
            pidfd: OnceLock::new(),
            stage: watch::Sender::new(Stage::Asked),
            held: Mutex::default(),
        }
    }

    pub(super) fn wanted(&self) -> Intent {
        self.wanted.get()
    }

    /// Wants at least `intent` from now on, and sees to it as soon as the process is there.
    pub(super) fn want(&self, intent: Intent) {
        if self.wanted.raise(intent) {
            self.signal();
        }
    }

    /// The process is there.
    pub(super) fn born(&self, pidfd: OwnedFd) {
        let _ = self.pidfd.set(pidfd); // told once
        self.stage.send_replace(Stage::Born);
        self.signal();
    }

    /// Tells the process what is wanted of it. Through a descriptor, so never another process.
    fn signal(&self) {
        let Some(pidfd) = self.pidfd.get() else { return };
        let signal = match self.wanted.get() {
            Intent::None => return,
            Intent::Suspend => Signal::XCPU,
            Intent::Kill => Signal::KILL,
        };
        let _ = pidfd_send_signal(pidfd, signal); // refused only if it has ended
    }

    /// Its id on this machine, while it lives.
    pub(super) fn pid(&self) -> Option<u32> {
        super::launch::pid_of(self.pidfd.get()?)
    }

    pub(super) fn end(&self, stage: Stage) {
        self.stage.send_replace(stage);
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Keeps `thing` until the process is reaped.
    pub(super) fn hold(&self, thing: impl Any + Send) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, which `end` takes after it has said so: it is kept, or let go of here.
        if !self.stage().is_end() {
            held.push(Box::new(thing));
        }
    }

    fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Waits until the process is there, or never will be.
    pub(super) async fn began(&self) {
        self.reaches(|stage| !matches!(stage, Stage::Asked)).await;
    }

    /// Waits until the process is reaped, or never will be.
    pub(super) async fn ended(&self) -> Stage {
        self.reaches(|stage| stage.is_end()).await
    }

    async fn reaches(&self, there: impl Fn(&Stage) -> bool) -> Stage {
        let mut stage = self.stage.subscribe();
        let reached = stage.wait_for(there).await;
        // The sender is ours and lives as long as this borrow.
        reached.map_or(Stage::Orphaned, |stage| *stage)
    }
}
