//! What makes processes: one trait, for executors, pools, groups and what spreads over several of these.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use super::executor::Executor;
use super::process::Process;
use crate::error::{Error, Kind, Result};

/// A process on its way.
pub type Coming<'a, T = Process> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Makes processes.
pub trait Factory: fmt::Debug + Send + Sync {
    /// A new process, as soon as there is room for it.
    ///
    /// # Errors
    /// [`Error::is_unavailable`] if there will be none any more.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no process behind.
    fn new_process(&self) -> Coming<'_>;

    /// A new process, if there is room for it now.
    ///
    /// # Errors
    /// As [`new_process`](Self::new_process).
    fn try_new_process(&self) -> Coming<'_, Option<Process>>;

    /// Whether it makes none any more.
    fn is_dead(&self) -> bool;
}

impl Factory for Executor {
    fn new_process(&self) -> Coming<'_> {
        Box::pin(self.new_process())
    }

    fn try_new_process(&self) -> Coming<'_, Option<Process>> {
        Box::pin(self.try_new_process())
    }

    fn is_dead(&self) -> bool {
        self.is_dead()
    }
}

/// Spreads processes over several factories, and prefers one that has room.
#[derive(Debug)]
pub struct Distributor {
    factories: Vec<Arc<dyn Factory>>,
    /// Where to look first, so that all get their share.
    next: AtomicUsize,
}

impl Distributor {
    /// Over these.
    #[must_use]
    pub fn new(factories: impl IntoIterator<Item = Arc<dyn Factory>>) -> Self {
        Self { factories: factories.into_iter().collect(), next: AtomicUsize::new(0) }
    }

    /// Those that are alive, in the order in which they are to be asked.
    fn alive(&self) -> impl Iterator<Item = &Arc<dyn Factory>> {
        let first = self.next.fetch_add(1, Ordering::Relaxed) % self.factories.len().max(1); // only fairness
        let (before, after) = self.factories.split_at(first);
        after.iter().chain(before).filter(|factory| !factory.is_dead())
    }
}

impl Factory for Distributor {
    fn new_process(&self) -> Coming<'_> {
        Box::pin(async {
            loop {
                if let Some(process) = self.try_new_process().await? {
                    return Ok(process);
                }
                // None has room: whichever has it first. One that dies while it is waited for drops out alone.
                let mut coming: Vec<Coming<'_>> = self.alive().map(|factory| factory.new_process()).collect();
                let first = poll_fn(|cx| {
                    let mut at = 0;
                    while at < coming.len() {
                        match coming[at].as_mut().poll(cx) {
                            Poll::Ready(Ok(process)) => return Poll::Ready(Some(process)),
                            Poll::Ready(Err(_)) => drop(coming.remove(at)),
                            Poll::Pending => at += 1,
                        }
                    }
                    if coming.is_empty() { Poll::Ready(None) } else { Poll::Pending }
                });
                if let Some(process) = first.await {
                    return Ok(process);
                }
            }
        })
    }

    fn try_new_process(&self) -> Coming<'_, Option<Process>> {
        Box::pin(async {
            let mut alive = self.alive().peekable();
            if alive.peek().is_none() {
                return Err(Error::new(Kind::Unavailable, "every executor is dead: start others"));
            }
            for factory in alive {
                // One that has died since is passed over; if it was the last, the next look says so.
                if let Ok(Some(process)) = factory.try_new_process().await {
                    return Ok(Some(process));
                }
            }
            Ok(None)
        })
    }

    fn is_dead(&self) -> bool {
        self.factories.iter().all(|factory| factory.is_dead())
    }
}
