//! A few megabytes beside the file, given up when the disk is full, so that running tasks can still be finished. While
//! it is given up, new tasks are refused. (The idea is CockroachDB's emergency ballast file.)

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};

/// Enough for the journal of thousands of completions; they change rows in place.
const SIZE: usize = 4 << 20;

/// How often it is tried to have it back.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Ballast {
    path: PathBuf,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not looked at yet: only a process that adds tasks needs it.
    Unknown,
    /// Looked at again after this time: another process may have given it up, or tidied up.
    There(Instant),
    /// Given up; tried for again after this time.
    Dropped(Instant),
}

impl Ballast {
    pub(super) fn new(store: &Path) -> Self {
        let mut path = store.as_os_str().to_owned();
        path.push("-ballast");
        Self { path: path.into(), state: State::Unknown }
    }

    /// Gives the space up; `false` if there was none.
    pub(super) fn drop_it(&mut self) -> bool {
        let there = fs::remove_file(&self.path).is_ok();
        if there {
            tracing::error!(ballast = %self.path.display(), "the disk is full: new tasks are refused, running ones finish");
        }
        if !matches!(self.state, State::Dropped(_)) {
            self.state = State::Dropped(Instant::now() + PAUSE);
        }
        there
    }

    /// An error while the disk is full.
    pub(super) fn check(&mut self) -> Result<()> {
        let due = match self.state {
            State::There(again) if Instant::now() < again => return Ok(()),
            State::Dropped(again) => Instant::now() >= again,
            State::Unknown | State::There(_) => true,
        };
        if due {
            match self.make() {
                Ok(()) => {
                    self.state = State::There(Instant::now() + PAUSE);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::StorageFull => self.forget(),
                Err(error) => {
                    // No place for a ballast is no reason to refuse work: the disk is not known to be full.
                    tracing::warn!(%error, ballast = %self.path.display(), "no space can be set aside for a full disk");
                    self.state = State::There(Instant::now() + PAUSE);
                    return Ok(());
                }
            }
        }
        let text =
            "the disk is full: make room; what was acknowledged is safe, and running tasks are finished";
        Err(Error::new(Kind::DiskFull, text))
    }

    fn forget(&mut self) {
        // A part of it may have been written: that space is better spent on completions.
        let _ = fs::remove_file(&self.path);
        self.state = State::Dropped(Instant::now() + PAUSE);
    }

    fn make(&self) -> io::Result<()> {
        if fs::metadata(&self.path).is_ok_and(|found| found.len() == SIZE as u64) {
            return Ok(());
        }
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&self.path)?;
        // Written, not only sized: a sparse file would hold no space.
        let zeros = vec![0; 1 << 16];
        for _ in 0..SIZE / zeros.len() {
            file.write_all(&zeros)?;
        }
        file.sync_all()
    }
}

impl Drop for Ballast {
    /// A store that is closed in order leaves one file behind.
    fn drop(&mut self) {
        if matches!(self.state, State::There(_)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
