//! Closers: what runs once everything else has stopped, in the order it was handed in.
//!
//! This file owns handing them in and running those that come too late to be queued. It never runs queued ones: the
//! steps of a stop do.

use std::pin::Pin;
use std::sync::Arc;

use super::names::Label;
use super::shared::Shared;
use super::{Stopper, drive};

/// The name that the panic handler and the reports know closers by; the call site tells them apart.
const NAME: &str = "closer";

pub(super) struct Closer {
    pub(super) label: Label,
    pub(super) work: Work,
}

pub(super) enum Work {
    Call(Call),
    Future(BoxFuture),
}

type Call = Box<dyn FnOnce() + Send>;
type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Stopper {
    /// Hands in a function to be called once all tasks and workers have ended.
    ///
    /// Closers run one after the other, in the order in which they were added. Once a stop has been requested there is
    /// no order left to keep: the closer is then called at once, here, before this returns. Either way it is called
    /// exactly once, and a stop that is not over waits for it.
    ///
    /// A panic in it is told to the panic handler and does not keep the others from running.
    ///
    /// ```
    /// # use delay::stopper::Stopper;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let stopper = Stopper::new();
    /// stopper.add_closer(|| println!("connections closed"));
    /// stopper.add_async_closer(async { println!("buffers flushed") });
    /// stopper.stop().await;
    /// # }
    /// ```
    #[track_caller]
    pub fn add_closer(&self, closer: impl FnOnce() + Send + 'static) {
        self.hand_in(Closer { label: Label::here(NAME), work: Work::Call(Box::new(closer)) });
    }

    /// Hands in a future to be awaited once all tasks and workers have ended; as [`add_closer`](Self::add_closer).
    ///
    /// Nothing of it is polled before. Once a stop has been requested it is started at once, on the caller's runtime
    /// or, if there is none, on a thread of its own.
    #[track_caller]
    pub fn add_async_closer(&self, closer: impl Future<Output = ()> + Send + 'static) {
        self.hand_in(Closer { label: Label::here(NAME), work: Work::Future(Box::pin(closer)) });
    }

    fn hand_in(&self, closer: Closer) {
        let Err(Closer { label, work }) = self.shared.closer_roll.enter(0, closer) else { return };
        let counted = self.shared.closers.admit(label);
        match work {
            Work::Call(call) => {
                self.shared.call_closer(label, call);
                drop(counted);
            }
            Work::Future(future) => {
                let shared = Arc::clone(&self.shared);
                drive::detach(async move {
                    shared.await_closer(label, future).await;
                    drop(counted);
                });
            }
        }
    }
}

impl Shared {
    /// Runs one closer in its turn.
    pub(super) async fn run_closer(&self, Closer { label, work }: Closer) {
        let _counted = self.closers.admit(label);
        match work {
            Work::Call(call) => self.call_closer(label, call),
            Work::Future(future) => self.await_closer(label, future).await,
        }
    }

    fn call_closer(&self, label: Label, call: Call) {
        if self.on_panic.watch_call(label.name, call).is_err() {
            self.log_panic(label);
        }
    }

    async fn await_closer(&self, label: Label, future: BoxFuture) {
        if self.on_panic.watch(label.name, future).await.is_err() {
            self.log_panic(label);
        }
    }

    fn log_panic(&self, label: Label) {
        tracing::error!(stopper = %self.name, "the closer added at {} panicked; the others run", label.site);
    }
}
