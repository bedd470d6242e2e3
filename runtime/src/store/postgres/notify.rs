//! Telling other processes: that something is ready, that something has finished. One notification at a time per
//! process, after the commit and never inside it (a NOTIFY takes a lock that all committers of the database share), and
//! at most one each few milliseconds, however much has happened. It goes the way of the commit that it tells of, if it
//! is time; else on any connection, when it is.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postgres_protocol::escape::escape_literal;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::base::Base;
use super::settings::Settings;
use super::sql::{Answer, Session};
use crate::backoff::Backoff;
use crate::error::Error;

/// So long after a notification the next one waits.
const APART: Duration = Duration::from_millis(10);

/// So long a notification may wait for those of others to be committed: whatever is sent behind it waits as well.
const PATIENCE: Duration = Duration::from_millis(100);

/// So long after one that failed the next one waits, and at most so long after several: a server may know no notifications.
const LATER: Duration = Duration::from_secs(1);
const MUCH_LATER: Duration = Duration::from_secs(10);

/// What is to be told, and when.
#[derive(Debug)]
pub(super) struct Notifier {
    is_on: bool,
    channel: String,
    /// This process among those that listen: it does not listen to itself.
    own: String,
    news: Mutex<News>,
    something: Notify,
}

#[derive(Debug)]
struct News {
    told: Told,
    /// Before that it is not time for the next notification.
    next: Instant,
    /// What is on its way.
    out: Option<Told>,
    answer: Option<Answer>,
    backoff: Backoff,
}

/// What was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Something may be claimable.
    pub(super) ready: bool,
    /// Something has finished.
    pub(super) finished: bool,
    /// Something stands here that was committed late.
    pub(super) low: Option<i64>,
}

impl Notifier {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            is_on: settings.notify,
            channel: channel(&settings.schema),
            own: uuid::Uuid::new_v4().simple().to_string(),
            news: Mutex::new(News {
                told: Told::default(),
                next: Instant::now(),
                out: None,
                answer: None,
                backoff: Backoff::new(LATER, MUCH_LATER),
            }),
            something: Notify::new(),
        }
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something may be claimable.
    pub(super) fn ready(&self) {
        self.news().told.ready = true;
    }

    /// Something has finished.
    pub(super) fn finished(&self) {
        self.news().told.finished = true;
    }

    /// Something that is ready stands at `eta`, and was committed late.
    pub(super) fn late(&self, eta: i64) {
        self.news().told.add(Told { ready: true, finished: false, low: Some(eta) });
    }

    /// Tells what is new: on this connection if it is time, and waits for no answer.
    pub(super) async fn tell_on(&self, session: &Session) {
        let Some(told) = self.take_due() else { return self.tell() };
        let statement = format!(
            "SELECT set_config('lock_timeout', '{}', true), pg_notify({}, {})",
            PATIENCE.as_millis(),
            escape_literal(&self.channel),
            escape_literal(&told.write(&self.own))
        );
        match session.send(&statement).await {
            Ok(answer) => self.news().answer = Some(answer),
            Err(error) => self.news().failed(&error),
        }
        self.something.notify_one();
    }

    /// Tells what is new when it is time.
    pub(super) fn tell(&self) {
        if self.is_on && self.news().told.any() {
            self.something.notify_one();
        }
    }

    /// What is to be told, if it is time and there is anything. One at a time is out.
    fn take_due(&self) -> Option<Told> {
        let mut news = self.news();
        if !self.is_on || !news.told.any() || news.out.is_some() || Instant::now() < news.next {
            return None;
        }
        news.next = Instant::now() + APART;
        news.out = Some(std::mem::take(&mut news.told));
        news.out
    }

    /// Waits for the end of what is out, and for the time of what is next.
    async fn until_it_is_time(&self) {
        let answer = self.news().answer.take();
        if let Some(answer) = answer {
            match answer.whole().await {
                Ok(()) => self.news().went_well(),
                Err(error) => self.news().failed(&error),
            }
        }
        let next = self.news().next;
        tokio::time::sleep_until(next).await;
    }

    /// What a notification tells; nothing if it is our own.
    pub(super) fn read(&self, payload: &str) -> Option<Told> {
        let mut words = payload.split(' ');
        if words.next() == Some(&self.own) {
            return None;
        }
        let words: Vec<&str> = words.collect();
        let low = words.iter().find_map(|word| word.strip_prefix('l')?.parse().ok());
        Some(Told { ready: words.contains(&"r"), finished: words.contains(&"f"), low })
    }
}

impl News {
    fn went_well(&mut self) {
        self.out = None;
        self.backoff.reset();
    }

    /// It is told again, later; meanwhile they look by themselves.
    fn failed(&mut self, error: &Error) {
        tracing::debug!(error = error.chain(), "other processes were not notified");
        self.told.add(self.out.take().unwrap_or_default());
        self.next = Instant::now() + self.backoff.next();
    }
}

impl Told {
    fn any(self) -> bool {
        self.ready || self.finished
    }

    fn add(&mut self, more: Self) {
        self.ready |= more.ready;
        self.finished |= more.finished;
        self.low = self.low.into_iter().chain(more.low).min();
    }

    fn write(self, from: &str) -> String {
        let mut text = from.to_owned();
        for (is, word) in [(self.ready, " r"), (self.finished, " f")] {
            text.push_str(if is { word } else { "" });
        }
        self.low.map_or(text.clone(), |low| format!("{text} l{low}"))
    }
}

/// What a user's own transaction tells when it commits.
pub(super) fn added_at(eta: i64) -> String {
    Told { ready: true, finished: false, low: Some(eta) }.write("tx")
}

/// The channel of a schema. Names end after 63 bytes; two long ones that begin alike share a channel, and wake each
/// other in vain.
pub(super) fn channel(schema: &str) -> String {
    let mut channel = format!("delay:{schema}");
    while channel.len() > 63 {
        channel.pop();
    }
    channel
}

/// Sends what was not sent on the way of a commit, until the store is closed.
pub(super) async fn run(base: &Base) {
    let notifier = &base.notifier;
    loop {
        notifier.something.notified().await;
        notifier.until_it_is_time().await;
        if !notifier.news().told.any() {
            continue;
        }
        match base.session().await {
            Ok(session) => notifier.tell_on(&session).await,
            Err(error) => tracing::debug!(error = error.chain(), "other processes were not notified"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::Words;
    use super::*;

    #[test]
    fn what_is_told_is_read() {
        let settings = Settings::read(&Words::parse("postgres:", &|_| None).unwrap()).unwrap();
        let (one, other) = (Notifier::new(&settings), Notifier::new(&settings));
        let told = Told { ready: true, finished: true, low: Some(5) };
        assert_eq!(other.read(&told.write(&one.own)), Some(told));
        assert_eq!(one.read(&told.write(&one.own)), None);
        assert_eq!(other.read(&added_at(-7)).unwrap().low, Some(-7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_notification_has_its_time() {
        let settings = Settings::read(&Words::parse("postgres:", &|_| None).unwrap()).unwrap();
        let notifier = Notifier::new(&settings);
        assert_eq!(notifier.take_due(), None, "nothing is to be told");
        [7, 5, 6].into_iter().for_each(|eta| notifier.late(eta));
        assert_eq!(notifier.take_due(), Some(Told { ready: true, finished: false, low: Some(5) }));
        notifier.finished();
        notifier.until_it_is_time().await;
        assert_eq!(notifier.take_due(), None, "the first one is on its way");
        notifier.news().went_well();
        assert_eq!(notifier.take_due(), Some(Told { ready: false, finished: true, low: None }));
        notifier.news().went_well();
        notifier.ready();
        assert_eq!(notifier.take_due(), None, "a moment ago something was told");
        notifier.until_it_is_time().await;
        assert!(notifier.take_due().is_some());
        notifier.finished();
        for wait in [LATER, 2 * LATER] {
            let begin = Instant::now();
            notifier.news().failed(&super::super::fault::closed());
            notifier.until_it_is_time().await;
            assert_eq!(begin.elapsed(), wait);
            let both = Told { ready: true, finished: true, low: None };
            assert_eq!(notifier.take_due(), Some(both), "what was not told is told with what is new");
        }
        notifier.news().went_well();
        notifier.ready();
        let begin = Instant::now();
        notifier.until_it_is_time().await;
        assert_eq!(begin.elapsed(), APART);
    }

    #[test]
    fn a_channels_name_fits() {
        assert_eq!(channel("jobs"), "delay:jobs");
        assert!(channel(&"é".repeat(31)).len() <= 63);
    }
}
