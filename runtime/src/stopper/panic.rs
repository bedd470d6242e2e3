//! Catching panics and telling the handler. It never swallows one: what becomes of it is the caller's choice.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

/// What a panic was thrown with.
pub(super) type Payload = Box<dyn Any + Send>;

/// Who is told of panics, if anybody.
#[derive(Clone, Default)]
pub(super) struct PanicHandler(pub(super) Option<Arc<Handler>>);

pub(super) type Handler = dyn Fn(&'static str, &(dyn Any + Send)) + Send + Sync;

impl PanicHandler {
    /// Runs `future`; if it panics, tells the handler and returns the payload.
    ///
    /// Unwind safety is asserted because the future is dropped and never polled again: whatever it shared with
    /// others it would have left in the same state by unwinding through them.
    pub(super) async fn watch<F: Future>(&self, name: &'static str, future: F) -> Result<F::Output, Payload> {
        let caught = {
            let mut future = pin!(future);
            poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
                Err(payload) => Poll::Ready(Err(payload)),
            })
            .await
        };
        caught.inspect_err(|payload| self.tell(name, payload))
    }

    /// As [`watch`](Self::watch), for a plain call.
    pub(super) fn watch_call<T>(&self, name: &'static str, call: impl FnOnce() -> T) -> Result<T, Payload> {
        catch_unwind(AssertUnwindSafe(call)).inspect_err(|payload| self.tell(name, payload))
    }

    fn tell(&self, name: &'static str, payload: &Payload) {
        if let Some(handler) = &self.0 {
            // `**`: the payload itself, not the box around it, which would be `Any` as well.
            handler(name, &**payload);
        }
    }
}
