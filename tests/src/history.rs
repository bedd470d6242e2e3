//! What happened, event by event, written down by the processes themselves as one line of JSON each. A line is one
//! `write` to a file that all of them append to, so it outlives whoever wrote it and the file has one order.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use delay::TaskId;
use serde::{Deserialize, Serialize};

mod check;

pub use check::{Fault, Summary, check, check_with_hung};

/// One thing that happened in the process `pid`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Where.
    pub pid: u32,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// The store has acknowledged a new task.
    Pushed {
        /// Which.
        id: Id,
    },
    /// The store has handed a task out.
    Claimed {
        /// Which.
        id: Id,
        /// Under this epoch.
        epoch: i64,
    },
    /// The function has begun.
    Started {
        /// For this task.
        id: Id,
        /// In this attempt.
        attempt: u32,
    },
    /// The function has done all that it does.
    Ran {
        /// For this task.
        id: Id,
    },
    /// The store has answered for the end of an attempt.
    Settled {
        /// Of this task.
        id: Id,
        /// Under this epoch.
        epoch: i64,
        /// What it was to become.
        end: End,
        /// Whether the store took it.
        taken: Taken,
    },
    /// Anything else.
    Note {
        /// In words.
        text: String,
    },
}

/// What an attempt was to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Success.
    Succeeded,
    /// Another end for good.
    Finished,
    /// The task waits for another attempt, or is held.
    Again,
}

/// Whether the store took an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// It is written.
    Applied,
    /// It was refused: another attempt counts.
    Stale,
    /// The whole turn was refused: the worker is not known any more.
    Refused,
}

/// A task's id as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(pub TaskId);

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0.to_string()
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("{text} is not a task id"))
    }
}

/// Where a process writes its events: to the common file, and to its own standard output for whoever watches it.
#[derive(Debug)]
pub struct Journal(File);

impl Journal {
    /// The journal in this file.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    /// Writes events down, before it returns.
    ///
    /// # Panics
    /// If it cannot: a history with holes proves nothing.
    pub fn write(&self, events: impl IntoIterator<Item = What>) {
        let pid = std::process::id();
        let mut lines = Vec::new();
        for what in events {
            serde_json::to_writer(&mut lines, &Event { pid, what }).expect("plain data");
            lines.push(b'\n');
        }
        if lines.is_empty() {
            return;
        }
        // On lines of its own, for the last one of somebody else may be half a line.
        let apart = [b"\n", &*lines].concat();
        (&self.0).write_all(&apart).expect("the history can be written");
        // Nobody may be listening any more.
        let _ = io::stdout().lock().write_all(&lines).and_then(|()| io::stdout().flush());
    }
}

/// Reads a history. What a process was writing down when it was killed may be there in part, for the system ends a write at
/// a page's end then; it is as if it had been killed before.
///
/// # Panics
/// If it cannot be read: a damaged history proves nothing.
#[must_use]
pub fn read(path: &Path) -> Vec<Event> {
    let bytes = std::fs::read(path).expect("the history");
    let event = |line: &str| match serde_json::from_str(line) {
        Err(error) if error.is_eof() => None,
        event => Some(event.expect("one event per line")),
    };
    String::from_utf8_lossy(&bytes).lines().filter_map(event).collect()
}
