//! A one-way switch that futures can wait for: the latch is the switch, a signal is one who waits.
//!
//! It owns the waking. It never decides when something has happened: the gate and the steps of a stop do.
//!
//! # Invariants
//!
//! 1. `set` comes before `wake`, and both before the roll of wakers closes. Whoever finds the roll closed may
//!    therefore rely on `open` being set.
//! 2. A signal that found `open` unset either stands on the roll before it closes, and is woken, or is refused by
//!    the roll, and is ready at once. No wake-up is lost.
//! 3. Wakers are called, cloned and dropped with no lock held.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::roll::{Place, Roll};
use super::sync::{AtomicBool, Ordering};

/// The switch.
pub(super) struct Latch(Arc<Switch>);

struct Switch {
    open: AtomicBool,
    waiting: Roll<Waker>,
}

impl Latch {
    pub(super) fn new() -> Self {
        Self(Arc::new(Switch { open: AtomicBool::new(false), waiting: Roll::new(1) }))
    }

    /// Switches on and wakes everybody.
    pub(super) fn open(&self) {
        self.set();
        self.wake();
    }

    /// Switches on; [`wake`](Self::wake) has to follow. For callers that hold a lock, under which no waker may run.
    pub(super) fn set(&self) {
        // Release: who reads it as set sees all that was done before.
        self.0.open.store(true, Ordering::Release);
    }

    pub(super) fn wake(&self) {
        for waker in self.0.waiting.close() {
            waker.wake();
        }
    }

    pub(super) fn is_open(&self) -> bool {
        // Acquire: pairs with `set`.
        self.0.open.load(Ordering::Acquire)
    }

    pub(super) fn signal(&self) -> Signal {
        Signal { switch: Arc::clone(&self.0), place: None }
    }
}

/// Fires once and stays fired: a future to await, and a `bool` to ask.
///
/// It can be cloned, and awaited again after it has fired. In a loop over `select!`, wait for `&mut signal`: it then
/// signs up once and not in every turn.
///
/// ```
/// # use delay::stopper::Stopper;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let stopper = Stopper::new();
/// let mut quiescing = stopper.quiescing();
/// assert!(!quiescing.is_fired());
/// stopper.request_stop();
/// (&mut quiescing).await;
/// quiescing.await;
/// # stopper.stop().await;
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping a signal takes it off the list of those to be woken; nothing is lost.
#[must_use = "a signal does nothing unless it is awaited or asked"]
pub struct Signal {
    switch: Arc<Switch>,
    place: Option<Place>,
}

impl Signal {
    /// Whether it has fired. One atomic load.
    #[must_use]
    pub fn is_fired(&self) -> bool {
        // Acquire: pairs with `set`.
        self.switch.open.load(Ordering::Acquire)
    }
}

impl Future for Signal {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_fired() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let refused = match self.place {
            Some(place) => self.switch.waiting.replace(place, waker),
            // One shard: waiting is the cold path, and the order of waking is then the order of coming.
            None => self.switch.waiting.enter(0, waker).map(|place| self.place = Some(place)),
        };
        match refused {
            Ok(()) => Poll::Pending,
            Err(_closed) => Poll::Ready(()),
        }
    }
}

impl Clone for Signal {
    fn clone(&self) -> Self {
        Self { switch: Arc::clone(&self.switch), place: None }
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.switch.waiting.leave(place);
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("is_fired", &self.is_fired()).finish_non_exhaustive()
    }
}
