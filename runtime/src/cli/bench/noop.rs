//! What is measured: a function that does nothing, and says when it does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::{Notify, mpsc};

use crate::call::{Call, TaskBuilder};
use crate::enqueue::Drafted as _;
use crate::error::{Error, Kind, Result};
use crate::handler::{Attempt, Returned};
use crate::registry::{Function, Options, Place, Registration};

pub(super) struct Noop;

/// What its attempts tell: how many have begun, and when the last one did.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) count: AtomicUsize,
    pub(super) reached: Notify,
    goal: usize,
    times: Option<mpsc::UnboundedSender<Instant>>,
}

impl Function for Noop {
    type Value = ();

    fn registration() -> &'static Registration {
        static REGISTRATION: Registration = Registration {
            function: "global:delay-bench",
            aliases: &[],
            place: Place { package: "delay-func", version: "", file: file!(), line: line!() },
            known_path: true,
            parameters: &["text: String"],
            states: &[],
            options: Options::DEFAULT,
            start: |ctx, mut arguments| {
                let _text: String = arguments.required("text")?;
                arguments.finish()?;
                Ok(Attempt::future(async move {
                    crate::context::state::<Arc<Begun>>(&ctx).one();
                    Returned::value(())
                }))
            },
        };
        &REGISTRATION
    }
}

impl Begun {
    /// Tells when so many have begun, and through `times` when each did.
    pub(super) fn new(goal: usize, times: Option<mpsc::UnboundedSender<Instant>>) -> Arc<Self> {
        Arc::new(Self { count: AtomicUsize::new(0), reached: Notify::new(), goal, times })
    }

    fn one(&self) {
        if let Some(times) = &self.times {
            let _ = times.send(Instant::now());
        }
        // AcqRel: who sees the goal reached sees what the attempts did.
        if self.count.fetch_add(1, Ordering::AcqRel) + 1 == self.goal {
            self.reached.notify_one();
        }
    }
}

pub(super) fn call(text: &str) -> TaskBuilder<()> {
    Call::of::<Noop>().argument("text", text).task()
}

fn payload_size(text: &str) -> usize {
    call(text).into_draft().task.payload.len()
}

/// The argument with which the payload of a call has so many bytes, or one less where none has them.
pub(super) fn text_of(payload: usize) -> Result<String> {
    let empty = payload_size("");
    let Some(room) = payload.checked_sub(empty) else {
        let text = format!(
            "`--payload {payload}`: even an empty call of the benchmark's function has {empty} bytes"
        );
        return Err(Error::new(Kind::InvalidOption, text));
    };
    // The length of a longer text is longer, too.
    let mut text = "x".repeat(room);
    while payload_size(&text) > payload {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_the_size_that_is_asked_for() {
        for size in [100, 200, 1000, 70_000] {
            let text = text_of(size).expect("large enough");
            assert_eq!(payload_size(&text), size);
        }
    }
}
