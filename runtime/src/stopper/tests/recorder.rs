//! A `tracing` subscriber that remembers, for tests about spans and logs. Set for the current thread only.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tracing::Event;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::{DefaultGuard, Subscriber, set_default};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

#[derive(Clone, Default)]
pub(super) struct Recorder {
    record: Arc<Mutex<Record>>,
    message: Arc<Notify>,
}

#[derive(Default)]
struct Record {
    /// Names by id; a span named by its field of that name, else by its metadata.
    names: HashMap<u64, String>,
    parents: HashMap<String, String>,
    causes: HashMap<String, String>,
    messages: Vec<String>,
}

impl Recorder {
    /// Starts to record, until the guard is dropped.
    pub(super) fn start() -> (Self, DefaultGuard) {
        let recorder = Self::default();
        let guard = set_default(Registry::default().with(recorder.clone()));
        (recorder, guard)
    }

    pub(super) fn has_span(&self, span: &str) -> bool {
        self.record().names.values().any(|name| name == span)
    }

    pub(super) fn parent(&self, span: &str) -> Option<String> {
        self.record().parents.get(span).cloned()
    }

    pub(super) fn cause(&self, span: &str) -> Option<String> {
        self.record().causes.get(span).cloned()
    }

    pub(super) fn messages(&self) -> Vec<String> {
        self.record().messages.clone()
    }

    /// Waits for the next message from now on.
    pub(super) async fn message(&self) {
        self.message.notified().await;
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("no panic")
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut field = Text { field: "name", text: attributes.metadata().name().to_owned() };
        attributes.record(&mut field);
        let mut record = self.record();
        let parent = context.span(id).and_then(|span| span.parent());
        if let Some(parent) = parent.and_then(|parent| record.names.get(&parent.id().into_u64()).cloned()) {
            record.parents.insert(field.text.clone(), parent);
        }
        record.names.insert(id.into_u64(), field.text);
    }

    fn on_follows_from(&self, span: &Id, follows: &Id, _context: Context<'_, S>) {
        let mut record = self.record();
        let [span, cause] = [span, follows].map(|id| record.names[&id.into_u64()].clone());
        record.causes.insert(span, cause);
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut field = Text { field: "message", text: String::new() };
        event.record(&mut field);
        self.record().messages.push(field.text);
        self.message.notify_one();
    }
}

/// The text of one field.
struct Text {
    field: &'static str,
    text: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == self.field {
            value.clone_into(&mut self.text);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == self.field {
            self.text = format!("{value:?}");
        }
    }
}
