//! Telling other processes: that something is ready, that something has finished. One notification at a time per
//! process, after the commit and never inside it (a NOTIFY takes a lock that all committers of the database share), and
//! at most one each few milliseconds, however much has happened.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_postgres::types::Type;

use super::base::Base;
use super::settings::Settings;
use super::sql::Sql;

/// So long after a notification the next one waits.
const APART: Duration = Duration::from_millis(10);

/// What is to be told.
#[derive(Debug)]
pub(super) struct Notifier {
    is_on: bool,
    channel: String,
    /// This process among those that listen: it does not listen to itself.
    own: String,
    ready: AtomicBool,
    finished: AtomicBool,
    /// Something was committed long after the time at which it stands.
    low: AtomicI64,
    something: Notify,
}

/// What was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Something may be claimable.
    pub(super) ready: bool,
    /// Something has finished.
    pub(super) finished: bool,
    /// Something stands here that was committed late.
    pub(super) low: Option<i64>,
}

const NOTIFY: Sql = Sql { text: "SELECT pg_notify($1, $2)", types: &[Type::TEXT, Type::TEXT] };

impl Notifier {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            is_on: settings.notify,
            channel: channel(&settings.schema),
            own: uuid::Uuid::new_v4().simple().to_string(),
            ready: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            low: AtomicI64::new(i64::MAX),
            something: Notify::new(),
        }
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// Something may be claimable.
    pub(super) fn ready(&self) {
        self.tell(&self.ready);
    }

    /// Something has finished.
    pub(super) fn finished(&self) {
        self.tell(&self.finished);
    }

    /// Something that stands at `eta` was committed late.
    pub(super) fn late(&self, eta: i64) {
        self.low.fetch_min(eta, Ordering::SeqCst);
        self.tell(&self.ready);
    }

    fn tell(&self, what: &AtomicBool) {
        // SeqCst: what is told after the notifier looked wakes it again.
        if self.is_on && !what.swap(true, Ordering::SeqCst) {
            self.something.notify_one();
        }
    }

    fn take(&self) -> Option<Told> {
        let low = self.low.swap(i64::MAX, Ordering::SeqCst);
        let told = Told {
            ready: self.ready.swap(false, Ordering::SeqCst),
            finished: self.finished.swap(false, Ordering::SeqCst),
            low: (low < i64::MAX).then_some(low),
        };
        (told.ready || told.finished).then_some(told)
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

/// Sends what is to be told until the store is closed.
pub(super) async fn run(base: &Base) {
    loop {
        base.notifier.something.notified().await;
        let Some(told) = base.notifier.take() else { continue };
        let payload = told.write(&base.notifier.own);
        let sent = async {
            let session = base.session().await?;
            session.rows("notify other processes", &NOTIFY, &[&base.notifier.channel, &payload]).await
        };
        if let Err(error) = sent.await {
            // They look by themselves, a little later.
            tracing::debug!(error = error.chain(), "other processes were not notified");
        }
        tokio::time::sleep(APART).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read() {
        let settings =
            Settings::read(&super::super::words::Words::parse("postgres:", &|_| None).unwrap()).unwrap();
        let (one, other) = (Notifier::new(&settings), Notifier::new(&settings));
        one.late(5);
        one.finished();
        let told = one.take().unwrap();
        assert_eq!(told, Told { ready: true, finished: true, low: Some(5) });
        assert_eq!(other.read(&told.write(&one.own)), Some(told));
        assert_eq!(one.read(&told.write(&one.own)), None);
        assert_eq!(one.take(), None);
        assert_eq!(other.read(&added_at(-7)).unwrap().low, Some(-7));
    }

    #[test]
    fn a_channels_name_fits() {
        assert_eq!(channel("jobs"), "delay:jobs");
        assert!(channel(&"é".repeat(31)).len() <= 63);
    }
}
