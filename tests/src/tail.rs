//! What another process writes to a file from some moment on, as `tail -f` shows it. The kernel tells when there is more.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::wait::BOUND;

/// The end of a file, from where it was when this was made.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    from: u64,
    changes: OwnedFd,
}

impl Tail {
    /// The file need not be there yet; its folder has to be.
    pub(crate) fn of(path: &Path) -> Self {
        let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).expect("inotify");
        let folder = path.parent().expect("a file in a folder");
        inotify::add_watch(&changes, folder, WatchFlags::CREATE | WatchFlags::MODIFY).expect("a watch");
        let from = path.metadata().map_or(0, |file| file.len());
        Self { path: path.to_owned(), from, changes }
    }

    /// What was written since.
    #[must_use]
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.path) {
            file.seek(SeekFrom::Start(self.from)).expect("a file that is only added to");
            file.read_to_end(&mut bytes).expect("a file that can be read");
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until what was written is `enough`, and gives it.
    ///
    /// # Panics
    /// If it is not in time.
    pub fn until(&self, what: &str, enough: impl Fn(&str) -> bool) -> String {
        self.wait(what, None, enough).expect("nothing else is waited for")
    }

    /// The same, or nothing if `process`, a descriptor of one, ends before.
    pub(crate) fn until_or_end(
        &self,
        what: &str,
        process: &OwnedFd,
        enough: impl Fn(&str) -> bool,
    ) -> Option<String> {
        self.wait(what, Some(process.as_fd()), enough)
    }

    fn wait(
        &self,
        what: &str,
        process: Option<BorrowedFd<'_>>,
        enough: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let end = Instant::now() + BOUND;
        let mut ended = false;
        loop {
            let text = self.text();
            if enough(&text) {
                return Some(text);
            }
            if ended {
                return None;
            }
            let mut fds = vec![PollFd::new(&self.changes, PollFlags::IN)];
            fds.extend(process.map(|process| PollFd::from_borrowed_fd(process, PollFlags::IN)));
            let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).expect("a minute");
            let woken = rustix::io::retry_on_intr(|| poll(&mut fds, Some(&left))).expect("a wait");
            assert!(woken > 0, "waited {BOUND:?} in vain for: {what}; it says:\n{text}");
            ended = fds.get(1).is_some_and(|process| !process.revents().is_empty());
            let mut told = [0; 4096];
            while rustix::io::read(&self.changes, &mut told).is_ok() {}
        }
    }
}
