//! Schedules under a clock that is moved: the ticker of an environment.

use std::sync::Arc;

use super::{Env, EnvBuilder};
use crate::limits::Limits;
use crate::registry::Registry;
use crate::schedule::Schedules;
use crate::time::Timestamp;

impl Env {
    /// Moves the clock to `end`, and stops at each tick on the way to store the one after.
    pub(super) fn tick_until(&self, end: Timestamp) {
        self.store_ticks();
        while let Some(tick) =
            self.executor.schedules.next_after(self.clock.now()).filter(|tick| *tick <= end)
        {
            self.clock.set(tick);
            self.store_ticks();
        }
        self.clock.set(end);
    }

    /// Stores the next tick of every schedule.
    pub(super) fn store_ticks(&self) {
        const CHECKED: &str = "a tick that was checked when the environment was built";
        let mut ahead = self.executor.schedules.ahead(self.clock.now());
        let drafts = std::mem::take(&mut ahead.drafts);
        let tasks = drafts.into_iter().map(|draft| draft.check(self.client.limits()).expect(CHECKED));
        // Refused, if the test has closed the store: nothing runs in it any more.
        if self.store.push_now(tasks.collect()).is_ok() {
            ahead.know();
        }
    }
}

impl EnvBuilder {
    /// Leaves the schedules of the linked functions out: for tests that count what runs while the clock moves.
    #[must_use]
    pub fn without_schedules(mut self) -> Self {
        self.ticks = false;
        self
    }
}

/// The schedules of the linked functions, or none.
pub(super) fn schedules(registry: &'static Registry, ticks: bool) -> Arc<Schedules> {
    if !ticks {
        return Arc::default();
    }
    let schedules = Schedules::new(registry, Vec::new(), &Limits::default());
    Arc::new(schedules.unwrap_or_else(|error| panic!("{}", error.chain())))
}
