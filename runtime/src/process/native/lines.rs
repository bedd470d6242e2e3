//! What a process prints: taken apart into lines, passed on, and its end remembered.

use std::sync::PoisonError;

use super::key::ProcessKey;
use super::policy::DebugLog;

/// The longest line that is passed on whole.
const MOST_LINE: usize = 8 * 1024;
/// How much of the end is remembered.
const MOST_WORDS: usize = 2 * 1024;

pub(super) struct Lines<'a> {
    process: ProcessKey,
    log: Option<&'a DebugLog>,
    /// A line without its end.
    begun: Vec<u8>,
    /// The last that was printed.
    last: Vec<u8>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(process: ProcessKey, log: Option<&'a DebugLog>) -> Self {
        Self { process, log, begun: Vec::new(), last: Vec::new() }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(MOST_WORDS)..];
        self.last.extend_from_slice(kept);
        self.last.drain(..self.last.len().saturating_sub(MOST_WORDS));
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(line);
            if line.ends_with(b"\n") || self.begun.len() > MOST_LINE {
                self.pass_on();
            }
        }
    }

    fn pass_on(&mut self) {
        let line = std::mem::take(&mut self.begun);
        match self.log {
            Some(log) => {
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                // The log is the host's affair; a process does not end because that is full.
                let _ = log.write_all(&line);
            }
            None => {
                let line = String::from_utf8_lossy(&line);
                tracing::info!(target: "delay::isolated", process = %self.process, "{}", line.trim_end());
            }
        }
    }

    /// The last words.
    pub(super) fn end(mut self) -> String {
        if !self.begun.is_empty() {
            self.pass_on();
        }
        String::from_utf8_lossy(&self.last).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn lines_are_whole_and_the_end_is_remembered() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let debug: DebugLog = log.clone();
        let mut lines = Lines::new(ProcessKey { executor: 1, process: 1 }, Some(&debug));
        for piece in [&b"one\ntw"[..], b"o\n", b"three"] {
            lines.push(piece);
        }
        assert_eq!(log.lock().unwrap().as_slice(), b"one\ntwo\n", "a line without its end waits");
        lines.push(&vec![b'x'; 10_000]);
        let words = lines.end();
        assert!(words.len() == MOST_WORDS && words.ends_with("xxx"), "{}", words.len());
        assert!(log.lock().unwrap().len() > 10_000, "an endless line is passed on in parts");
    }
}
