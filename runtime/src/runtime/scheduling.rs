//! Schedules that a program adds to those of its attributes, and the start of the ticker.

use std::sync::Arc;

use super::{Builder, Runtime};
use crate::call::TaskBuilder;
use crate::cron::{Cron, IntoCron};
use crate::draft::Draft;
use crate::enqueue::Drafted as _;
use crate::error::Result;
use crate::limits::Limits;
use crate::registry::Registry;
use crate::schedule::{Schedule, Schedules};
use crate::stopper::Unavailable;
use crate::ticker;

/// A call, and its times, as the builder was given them.
pub(super) type Scheduled = (Cron, Draft);

impl Builder {
    /// Makes a call at the times of a schedule that the program knows only when it runs; one that it always has is
    /// better said where the function is, `#[delay::func("report", cron = "0 3 * * *")]`.
    ///
    /// Every runtime on the store may be built with the schedule, and each of its ticks is one task. The task's options
    /// are those of every tick, but for the name: it tells apart schedules of one function.
    ///
    /// ```no_run
    /// # use delay::{Context, Cron};
    /// # #[delay::func("schedule-example")]
    /// # async fn report(_ctx: &Context, tenant: String) {}
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> delay::Result<()> {
    /// # let from_a_file = "0 3 * * *";
    /// let rt = delay::Runtime::builder("sqlite:jobs.db")
    ///     .schedule("0 9 * * MON", Report::task("acme".into()).name("acme")) // in UTC
    ///     .schedule(
    ///         Cron::new(from_a_file)?.time_zone("Europe/Berlin")?,
    ///         Report::task("globex".into()).name("globex").queue("slow"),
    ///     )
    ///     .build()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// [`build`](Self::build) tells of an expression that is none, a delay or an eta, and two schedules of one function
    /// and name. What a schedule was before this program is taken back at [`start`](Runtime::start); a schedule that is
    /// no longer there runs once more, for the tick that was waiting.
    pub fn schedule<T>(mut self, cron: impl IntoCron, task: TaskBuilder<T>) -> Self {
        match cron.into_cron() {
            Ok(cron) => self.scheduled.push((cron, task.into_draft())),
            Err(error) => drop(self.mistake.get_or_insert(error)),
        }
        self
    }
}

impl Runtime {
    /// Begins to tick, if there is anything to tick.
    pub(super) fn start_ticker(&self) -> Result<(), Unavailable> {
        let schedules = Arc::clone(&self.executor.schedules);
        if schedules.is_empty() {
            return Ok(());
        }
        let ticker = ticker::run(schedules, self.client.clone(), self.stopper.clone());
        self.stopper.run_worker("delay::ticker", ticker).map(drop)
    }
}

/// The attributes' schedules, and those that were added.
pub(super) fn collect(
    registry: &'static Registry,
    added: Vec<Scheduled>,
    limits: &Limits,
) -> Result<Arc<Schedules>> {
    let added = added.into_iter().map(|(cron, draft)| Schedule::added(cron, draft, registry));
    let added = added.collect::<Result<Vec<_>>>()?;
    Schedules::new(registry, added, limits).map(Arc::new)
}
