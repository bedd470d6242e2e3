//! How far a run has come, on stderr: a bar on a terminal, a line now and then elsewhere.

use indicatif::{ProgressBar, ProgressStyle};

/// Without a terminal, a line for so many files.
const LINE: u64 = 250;

/// Cheap to clone; the clones are one.
#[derive(Clone)]
pub(crate) struct Progress(ProgressBar);

impl Default for Progress {
    fn default() -> Self {
        let style = ProgressStyle::with_template("{bar:40} {pos} of {len} files");
        Self(ProgressBar::new(0).with_style(style.expect("the template is one")))
    }
}

impl Progress {
    /// So many more files are to be done.
    pub(crate) fn found(&self, files: usize) {
        self.0.inc_length(files as u64);
    }

    /// One more is done.
    pub(crate) fn done(&self) {
        self.0.inc(1);
        if self.0.is_hidden() && self.0.position().is_multiple_of(LINE) {
            eprintln!("checksum: {}", self.so_far());
        }
    }

    /// All are done.
    pub(crate) fn finished(&self) {
        self.0.finish_and_clear();
        eprintln!("checksum: all {} files done", self.0.position());
    }

    /// The rest is left for another run.
    pub(crate) fn interrupted(&self) {
        self.0.finish_and_clear();
        eprintln!("checksum: stopping after {}; the same command goes on from here", self.so_far());
    }

    fn so_far(&self) -> String {
        format!("{} of {} files", self.0.position(), self.0.length().unwrap_or_default())
    }
}
