//! Processes that are made before they are wanted.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

use super::factory::{Coming, Factory};
use super::process::Process;
use crate::error::{Error, Kind, Result};
use crate::stopper::Stopper;

/// Keeps some processes ready, so that taking one costs no fork. Closing the pool kills those that are left.
pub struct Pool {
    factory: Arc<dyn Factory>,
    ready: Mutex<mpsc::Receiver<Process>>,
}

impl Pool {
    /// Keeps `processes` of them ready, at least one. It ends with the stopper.
    ///
    /// # Errors
    /// [`Error::is_stopping`] under a stopper that stops.
    pub fn new(stopper: &Stopper, factory: Arc<dyn Factory>, processes: usize) -> Result<Self> {
        // The one that waits to be taken in counts as well.
        let (give, ready) = mpsc::channel(processes.max(1));
        let (makes, stopping) = (Arc::clone(&factory), stopper.stopping());
        let prepare = async move {
            let prepare = async {
                while let Ok(place) = give.reserve().await {
                    match makes.new_process().await {
                        Ok(process) => place.send(process),
                        Err(_) => return, // dead, which whoever wants one is told by the factory
                    }
                }
            };
            tokio::select! { () = prepare => {} () = stopping => {} }
        };
        stopper.run_worker("delay::prepare", prepare).map_err(|_| {
            Error::new(Kind::Stopping, "the stopper is stopping: no processes are prepared under it")
        })?;
        Ok(Self { factory, ready: Mutex::new(ready) })
    }

    /// How many are ready.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.try_lock().map_or(0, |ready| ready.len())
    }
}

impl Factory for Pool {
    fn new_process(&self) -> Coming<'_> {
        Box::pin(async {
            // The pool is the lock's own affair: whoever holds it waits for the next one that is ready.
            let ready = self.ready.lock().await.recv().await;
            ready.ok_or_else(|| Error::new(Kind::Unavailable, "no processes are prepared any more"))
        })
    }

    fn try_new_process(&self) -> Coming<'_, Option<Process>> {
        Box::pin(async {
            if self.is_dead() {
                return Err(Error::new(Kind::Unavailable, "no processes are prepared any more"));
            }
            Ok(self.ready.try_lock().ok().and_then(|mut ready| ready.try_recv().ok()))
        })
    }

    fn is_dead(&self) -> bool {
        self.factory.is_dead()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} ready, of {:?})", self.ready(), self.factory)
    }
}
