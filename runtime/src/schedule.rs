//! Schedules: functions that are called at the ticks of a [`Cron`]. Owns their identities, and the tasks that their
//! ticks are; it never waits for a time (see `ticker`).
//!
//! What keeps a tick from running twice or not at all:
//! 1. A tick is a task whose eta is its time, and whose name is made of the schedule's identity and that time. Whoever
//!    stores it second is refused: while it waits, while it runs, and for the tombstone time after.
//! 2. Only ticks ahead of the *store's* clock are stored; a worker's own clock has no say. So a tick that has run is
//!    never asked for again, however long ago its tombstone went.
//! 3. Before a tick runs, the next one is stored. So at every moment the store holds a tick that has not ended, and one
//!    whose time comes while nothing runs is there at the next start.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::call::Call;
use crate::client::Client;
use crate::cron::{Cron, header};
use crate::draft::Draft;
use crate::enqueue::Drafted as _;
use crate::error::{Error, Kind, Result};
use crate::id::TaskId;
use crate::limits::Limits;
use crate::registry::{Registration, Registry};
use crate::store::TaskRecord;
use crate::task::{Due, Task};
use crate::time::Timestamp;

/// A call, and when it is made.
#[derive(Debug)]
pub(crate) struct Schedule {
    cron: Cron,
    call: Draft,
    /// How the names of its ticks begin, and under which function: first as they are now, then under the aliases.
    names: Vec<(&'static str, String)>,
    /// The tick that is known to be stored; the least number, if none is.
    stored: AtomicI64,
}

impl Schedule {
    /// The schedule that a function's attribute speaks of, if it does.
    fn of(registration: &'static Registration) -> Result<Option<Self>> {
        if registration.options.cron.is_empty() {
            return Ok(None);
        }
        let cron = Cron::any_of(registration.options.cron.iter().copied())?
            .time_zone(registration.options.time_zone)?;
        let call = Call::without_arguments(registration).task::<()>().into_draft();
        Ok(Some(Self::new(cron, call, registration.aliases, "")))
    }

    /// A schedule of this program's own. The task's name, if it has one, tells it apart from others of its function.
    pub(crate) fn added(cron: Cron, mut call: Draft, registry: &Registry) -> Result<Self> {
        if let Some(mistake) = call.mistake {
            return Err(mistake);
        }
        if call.task.due != Due::Now {
            let text = format!(
                "{}: a scheduled call is due at the times of its schedule: remove the delay or the eta",
                call.function
            );
            return Err(Error::new(Kind::InvalidEta, text));
        }
        let name = format!("#{}", call.task.name.take().unwrap_or_default());
        let aliases = registry.find(call.function).map_or(&[][..], |registration| registration.aliases);
        Ok(Self::new(cron, call, aliases, &name))
    }

    fn new(cron: Cron, call: Draft, aliases: &[&'static str], name: &str) -> Self {
        let functions = std::iter::once(call.function).chain(aliases.iter().copied());
        let names =
            functions.map(|id| (id, format!("cron-{:016x}-", fnv1a(&format!("{id}{name}"))))).collect();
        Self { cron, call, names, stored: AtomicI64::new(i64::MIN) }
    }

    /// When it ticks.
    pub(crate) fn cron(&self) -> &Cron {
        &self.cron
    }

    /// The function that its ticks are called under.
    pub(crate) fn call_function(&self) -> &'static str {
        self.call.function
    }

    /// The functions that its ticks were or are called under.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().map(|(function, _)| *function)
    }

    /// Whether a task of this name is one of its ticks.
    pub(crate) fn owns(&self, name: &str) -> bool {
        self.names.iter().any(|(_, prefix)| name.starts_with(prefix))
    }

    /// The task of a tick.
    fn tick(&self, time: Timestamp) -> Draft {
        let shown = humantime::format_rfc3339_seconds(time.into()).to_string();
        let mut draft = self.call.clone();
        let mut name = self.names[0].1.clone();
        name.extend(shown.chars().filter(char::is_ascii_alphanumeric));
        draft.task.id = TaskId::new();
        draft.task.name = Some(name);
        draft.task.due = Due::At(time);
        let headers = [
            (header::CRON, self.cron.expressions()),
            (header::TIME_ZONE, self.cron.zone_name().to_owned()),
            (header::TICK, shown),
        ];
        draft.options().headers.extend(headers.map(|(name, value)| (name.to_owned(), value)));
        draft
    }

    /// Whether a stored tick is the very task that would be stored for its time today.
    pub(crate) fn still_has(&self, record: &TaskRecord) -> bool {
        let same = |task: Task| {
            task.name == record.name
                && task.queue == record.queue
                && task.priority == record.priority
                && task.tag == record.tag
                && task.options == record.options
                && task.payload == record.payload
        };
        self.cron.is_tick(record.eta) && self.tick(record.eta).check(&Limits::default()).is_ok_and(same)
    }

    /// The tick is stored, or was and has been taken back by somebody.
    pub(crate) fn know(&self, tick: Timestamp) {
        // Relaxed, here and below: a note that saves a question to the store; nothing is published with it.
        self.stored.store(tick.as_micros(), Ordering::Relaxed);
    }

    /// The next tick after `now`, and its task unless that is known to be stored.
    fn next(&self, now: Timestamp) -> Option<(Timestamp, Option<Draft>)> {
        let next = self.cron.next_after(now)?;
        let known = self.stored.load(Ordering::Relaxed) == next.as_micros();
        Some((next, (!known).then(|| self.tick(next))))
    }
}

/// All schedules of a program.
#[derive(Debug, Default)]
pub(crate) struct Schedules(Vec<Schedule>);

impl Schedules {
    /// The attributes' schedules, and those that were added.
    ///
    /// # Errors
    /// If two are the same for the store, or the task of a tick could not be stored.
    pub(crate) fn new(registry: &Registry, added: Vec<Schedule>, limits: &Limits) -> Result<Self> {
        let mut all = Vec::new();
        for registration in registry.functions() {
            all.extend(Schedule::of(registration)?);
        }
        for schedule in added {
            if all.iter().any(|other: &Schedule| other.names[0] == schedule.names[0]) {
                let text = format!(
                    "two schedules of {} cannot be told apart: give their tasks names, \
                     `.schedule(…, Report::task(…).name(\"morning\"))`, or put their times into one `Cron::any_of`",
                    schedule.call.function
                );
                return Err(Error::new(Kind::DuplicateName, text));
            }
            all.push(schedule);
        }
        for schedule in &all {
            schedule.tick(Timestamp::default()).check(limits)?;
        }
        Ok(Self(all))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Schedule> {
        self.0.iter()
    }

    /// The next tick of any schedule.
    pub(crate) fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.iter().filter_map(|schedule| schedule.cron.next_after(now)).min()
    }

    /// Stores the next tick of every schedule, and gives how long it is until the first of them, if there is one.
    pub(crate) async fn store_next(&self, client: &Client) -> Result<Option<Duration>> {
        let now = client.store().now().await?;
        self.ahead(now).store(client).await?;
        Ok(self.next_after(now).map(|next| next.since(now)))
    }

    /// Before a task runs: if it is a tick, the schedule's next tick is stored first.
    pub(crate) async fn store_successor(&self, name: Option<&str>, client: &Client) -> Result<()> {
        let Some(schedule) = name.and_then(|name| self.iter().find(|schedule| schedule.owns(name))) else {
            return Ok(());
        };
        let now = client.store().now().await?;
        Ahead::of([schedule], now).store(client).await
    }

    /// The next ticks that are not known to be stored.
    pub(crate) fn ahead(&self, now: Timestamp) -> Ahead<'_> {
        Ahead::of(&self.0, now)
    }
}

/// Ticks that are not known to be stored, and their tasks, aligned.
#[derive(Default)]
pub(crate) struct Ahead<'a> {
    ticks: Vec<(&'a Schedule, Timestamp)>,
    pub(crate) drafts: Vec<Draft>,
}

impl<'a> Ahead<'a> {
    fn of(schedules: impl IntoIterator<Item = &'a Schedule>, now: Timestamp) -> Self {
        let mut ahead = Self::default();
        for schedule in schedules {
            if let Some((tick, Some(draft))) = schedule.next(now) {
                ahead.ticks.push((schedule, tick));
                ahead.drafts.push(draft);
            }
        }
        ahead
    }

    async fn store(mut self, client: &Client) -> Result<()> {
        if !self.drafts.is_empty() {
            client.push(std::mem::take(&mut self.drafts)).await?;
            self.know();
        }
        Ok(())
    }

    /// They are stored: now, or before by somebody else, and both are well.
    pub(crate) fn know(self) {
        self.ticks.into_iter().for_each(|(schedule, tick)| schedule.know(tick));
    }
}

/// FNV-1a over 64 bits: the same on every machine and in every release of Rust.
fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;
