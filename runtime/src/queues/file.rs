//! Queues as files say them: App Engine's `queue.yaml` as it is, and `delay.toml` with the same words.
//!
//! Owns the way from a file's text to [`QueueConfig`]s, and the report of every mistake in it at once. It never applies
//! what it has read. Both formats become one tree with places (`file/tree`); what the words mean is said once
//! (`file/entry`).
//!
//! ```yaml
//! total_storage_limit: 120M
//! queue:
//! - name: mail
//!   rate: 20/s
//!   bucket_size: 40
//!   retry_parameters:
//!     task_retry_limit: 7
//!     task_age_limit: 2d
//! ```
//!
//! ```toml
//! total_storage_limit = "120M"
//!
//! [[queue]]
//! name = "mail"
//! rate = "20/s"
//! bucket_size = 40
//! retry_parameters = { task_retry_limit = 7, task_age_limit = "2d" }
//! ```
//!
//! Both formats take three words that App Engine did not have: `tombstone` (`"1h"`: how long a name stays taken),
//! `paused` (`true` stops the queue), and a URL as `target`.

mod entry;
mod fields;
mod remark;
mod toml;
mod tree;
mod values;
mod yaml;

use std::path::Path;

pub use self::remark::{FileError, Remark};

use self::fields::{Fields, Report};
use self::tree::{Node, Value};
use super::{DEFAULT_QUEUE, QueueConfig, Resume};
use crate::error::{Error, Kind, Result};

/// A file of queues is written by people. A larger one is a mistake, and would only cost memory.
const LARGEST: u64 = 1 << 20;

const WORDS: [&str; 4] = ["application", "queue", "resume_paused_queues", "total_storage_limit"];

/// What a file says about queues.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct QueueFile {
    /// The queues in their order; the default queue last if the file does not name it.
    pub queues: Vec<QueueConfig>,
    /// How many bytes the tasks of all queues may take together, as the file says; nothing enforces it. Bytes; a `K` is
    /// 1024.
    pub total_storage_limit: Option<u64>,
    /// Whether applying the file resumes queues that an operator has paused.
    pub resume_paused_queues: bool,
    /// What was read but has no effect here, for people: each is worth a line on the terminal.
    pub remarks: Vec<Remark>,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `queue.yaml`.
    Yaml,
    /// `delay.toml`.
    Toml,
}

impl Format {
    /// By the extension of the name; where that says nothing, by the first line that says something.
    #[must_use]
    pub fn of(name: &Path, text: &str) -> Self {
        match name.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => Self::Toml,
            Some("yaml" | "yml") => Self::Yaml,
            _ => {
                let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
                let first = lines.find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
                let key = first.split(['=', ':']).next().unwrap_or_default();
                let assigns = first[key.len()..].starts_with('=');
                if first.starts_with('[') || assigns { Self::Toml } else { Self::Yaml }
            }
        }
    }
}

impl QueueFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::is_invalid_config`] with a [`FileError`] as its source if the file has mistakes;
    /// [`Error::is_unreadable`] if it cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        use std::io::Read as _;
        let path = path.as_ref();
        let unreadable = |error| {
            let message = format!("cannot read the queues from `{}`", path.display());
            Error::with_source(Kind::Unreadable, message, error)
        };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let name = path.display().to_string();
        let parsed = match std::str::from_utf8(&bytes) {
            _ if bytes.len() as u64 > LARGEST => {
                Err(FileError::whole(&name, "the file is larger than 1 MiB"))
            }
            Ok(text) => Self::parse(&name, text, Format::of(path, text)),
            Err(error) => Err(FileError::not_text(&name, &bytes[..error.valid_up_to()])),
        };
        parsed.map_err(FileError::into_error)
    }

    /// Reads a text; `name` is what mistakes call it.
    ///
    /// ```
    /// use delay::queues::file::{Format, QueueFile};
    ///
    /// let text = "queue:\n- name: mail\n  rate: 20/s\n  buket_size: 40\n";
    /// let error = QueueFile::parse("queue.yaml", text, Format::Yaml).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "queue.yaml:4:3: a queue has no `buket_size`, did you mean `bucket_size`?"
    /// );
    /// # Ok::<(), delay::Error>(())
    /// ```
    ///
    /// # Errors
    /// All mistakes of the text, or its first if it is not well-formed.
    pub fn parse(name: &str, text: &str, format: Format) -> Result<Self, FileError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut report = Report::default();
        let tree = match format {
            Format::Yaml => yaml::tree(text, &mut report),
            Format::Toml => toml::tree(text, &mut report),
        };
        let file = tree.and_then(|tree| Self::from_tree(&tree, &mut report));
        let (mistakes, remarks) = report.into_parts();
        match file {
            Some(file) if mistakes.is_empty() => Ok(Self { remarks, ..file }),
            _ => Err(FileError::new(name, mistakes)),
        }
    }

    /// Whether applying the file lets those queues go on that an operator has paused.
    #[must_use]
    pub fn resume(&self) -> Resume {
        if self.resume_paused_queues { Resume::WithFile } else { Resume::ByOperator }
    }

    fn from_tree(tree: &Node, report: &mut Report) -> Option<Self> {
        if matches!(tree.value, Value::Nothing) {
            report.mistake(tree.at, "the file is empty: expected `queue` and a list of queues".to_owned());
            return None;
        }
        let fields = Fields::of(tree, "the file", &WORDS, report)?;
        let total_storage_limit = fields.read("total_storage_limit", report, values::size);
        if let Some(entry) = fields.entry("total_storage_limit") {
            let text = "`total_storage_limit` has no effect here: tasks take what the store's disk has";
            report.remark(entry.at, text.to_owned());
        }
        let resume = fields.read("resume_paused_queues", report, values::flag);
        let mut queues = entry::queues(&fields, report);
        if queues.iter().all(|queue| queue.name != DEFAULT_QUEUE) {
            queues.push(QueueConfig::default_queue());
        }
        let remarks = Vec::new();
        Some(Self { queues, total_storage_limit, resume_paused_queues: resume.unwrap_or(false), remarks })
    }
}

#[cfg(test)]
mod tests;
