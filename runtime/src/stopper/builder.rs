//! Making a stopper: its name and its panic handler. It never starts anything.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::panic::PanicHandler;
use super::shared::Shared;
use super::{Stopper, census};

/// Makes a [`Stopper`].
///
/// ```
/// use delay::stopper::Stopper;
///
/// let stopper = Stopper::builder()
///     .name("mail")
///     .on_panic(|task, payload| match payload.downcast_ref::<&str>() {
///         Some(message) => eprintln!("{task}: {message}"),
///         None => eprintln!("{task} panicked"),
///     })
///     .build();
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    name: Cow<'static, str>,
    on_panic: PanicHandler,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self { name: Cow::Borrowed("unnamed"), on_panic: PanicHandler::default() }
    }

    /// What it is called in logs and reports.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Who is told, by name and with the very payload, when a task, worker, closer or recovered future panics.
    ///
    /// The panic itself goes on to where it would have gone without a handler. The handler is called on the thread
    /// that panicked, after the future was dropped and before the task is counted out.
    pub fn on_panic(
        mut self,
        handler: impl Fn(&'static str, &(dyn Any + Send)) + Send + Sync + 'static,
    ) -> Self {
        self.on_panic = PanicHandler(Some(Arc::new(handler)));
        self
    }

    /// The stopper. Remembers its caller for [`leaked_stoppers`](super::leaked_stoppers).
    #[must_use]
    #[track_caller]
    pub fn build(self) -> Stopper {
        let shared = Arc::new(Shared::new(self.name, Location::caller(), self.on_panic));
        census::created(&shared);
        Stopper { shared }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("name", &self.name).finish_non_exhaustive()
    }
}
