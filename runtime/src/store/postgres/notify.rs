//! Telling other processes: that something is ready, that something has finished. One notification at a time per
//! process, after the commit and never inside it (a NOTIFY takes a lock that all committers of the database share), and
//! at most one each few milliseconds, however much has happened. It goes the way of the commit that it tells of, if it
//! is time; else on any connection, when it is.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::base::Base;
use super::settings::Settings;
use super::sql::{Session, literal};

/// So long after a notification the next one waits.
const APART: Duration = Duration::from_millis(10);

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
            news: Mutex::new(News { told: Told::default(), next: Instant::now() }),
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

    /// What is ready stands at `eta`, and was committed late.
    pub(super) fn late(&self, eta: i64) {
        let told = &mut self.news().told;
        told.low = Some(told.low.map_or(eta, |low| low.min(eta)));
    }

    /// Tells what is new: on this connection if it is time, and waits for no answer.
    pub(super) fn tell_on(&self, session: &Session) {
        match self.due() {
            Some(statement) => session.send(&statement),
            None => self.tell(),
        }
    }

    /// Tells what is new when it is time.
    pub(super) fn tell(&self) {
        if self.is_on && self.news().any() {
            self.something.notify_one();
        }
    }

    /// The notification, if it is time and there is anything to tell.
    fn due(&self) -> Option<String> {
        let mut news = self.news();
        if !self.is_on || !news.any() || Instant::now() < news.next {
            return None;
        }
        news.next = Instant::now() + APART;
        let told = std::mem::take(&mut news.told);
        // Nothing of it need be durable: it waits for no disk, and keeps no commit that does waiting.
        Some(format!(
            "SELECT pg_notify({}, {}) FROM set_config('synchronous_commit', 'off', true)",
            literal(&self.channel),
            literal(&told.write(&self.own))
        ))
    }

    async fn until_it_is_time(&self) {
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
    fn any(&self) -> bool {
        self.told.ready || self.told.finished
    }
}

impl Told {
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
        let Some(statement) = notifier.due() else { continue };
        match base.session().await {
            Ok(session) => session.send(&statement),
            // They look by themselves, a little later.
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
        assert_eq!(notifier.due(), None, "nothing is to be told");
        [7, 5, 6].into_iter().for_each(|eta| notifier.late(eta));
        notifier.ready();
        assert!(notifier.due().unwrap().contains(" r l5'"));
        notifier.finished();
        assert_eq!(notifier.due(), None, "a moment ago something was told");
        notifier.until_it_is_time().await;
        assert!(notifier.due().unwrap().contains(" f'"));
    }

    #[test]
    fn a_channels_name_fits() {
        assert_eq!(channel("jobs"), "delay:jobs");
        assert!(channel(&"é".repeat(31)).len() <= 63);
    }
}
