//! Panics of delayed functions, caught with their message and their place.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

thread_local! {
    /// Where the last panic of this thread was raised; the payload does not say.
    static PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// Notes each panic's place and goes on to the hook that was there before, so that a user's hook still works.
fn note_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PLACE.set(info.location().map(ToString::to_string));
            before(info);
        }));
    });
}

/// Calls `call`; a panic becomes its message and place.
///
/// # Errors
/// The panic's text.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    note_places();
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| describe(&*payload))
}

/// Polls `future` to its end; a panic becomes its message and place.
///
/// # Errors
/// The panic's text.
pub(crate) fn catch_future<F: Future + Unpin>(future: F) -> impl Future<Output = Result<F::Output, String>> {
    note_places();
    Catch(future)
}

struct Catch<F>(F);

impl<F: Future + Unpin> Future for Catch<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Unwind safe: after a panic the future is never polled again, only dropped.
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.0).poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(payload) => Poll::Ready(Err(describe(&*payload))),
        }
    }
}

fn describe(payload: &(dyn Any + Send)) -> String {
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is not text".to_owned());
    match PLACE.take() {
        Some(place) => format!("panicked at {place}: {message}"),
        None => format!("panicked: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_tells_its_message_and_place() {
        let text = catch(|| panic!("no more {}", "paper")).unwrap_err();
        assert!(
            text.starts_with("panicked at runtime/src/panics.rs:") || text.contains("src/panics.rs:"),
            "{text}"
        );
        assert!(text.ends_with(": no more paper"), "{text}");
    }

    #[test]
    fn a_payload_that_is_not_text_is_caught_too() {
        let text = catch(|| std::panic::panic_any(7)).unwrap_err();
        assert!(text.ends_with("a value that is not text"), "{text}");
    }

    #[tokio::test]
    async fn a_future_that_panics_after_a_wait_is_caught() {
        let future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async {
            tokio::task::yield_now().await;
            panic!("late");
        });
        let text = catch_future(future).await.expect_err("it panics");
        assert!(text.ends_with(": late"), "{text}");
    }
}
