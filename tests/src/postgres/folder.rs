//! The folder in which a server lives. It goes, and what runs in it is killed, when the test process ends: by its own
//! will, by a panic, or by a signal that nobody can catch.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::programs::User;

/// Waits until its standard input is closed, which the system does for a dead process as well, then clears up. The server's
/// children would end by themselves, but not if they are frozen. What a test has mounted there is in the way.
const WATCH: &str = r#"cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) &&
  kill -9 "$pid" $(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
rm -rf "$1" 2>/dev/null || { umount -l "$1"/* ; rm -rf "$1"; } 2>/dev/null"#;

/// A temporary folder that belongs to the server's user.
#[derive(Debug)]
pub(super) struct Folder {
    folder: TempDir,
    watcher: Child,
}

impl Folder {
    /// An empty one, in `place` or else where temporary files go.
    pub(super) fn new(place: Option<&Path>) -> Self {
        let mut named = tempfile::Builder::new();
        let named = named.prefix("delay-pg-");
        let folder = match place {
            Some(place) => named.tempdir_in(place),
            None => named.tempdir(),
        };
        let folder = folder.expect("a folder for the server");
        User::of_servers().give(folder.path());
        let mut watcher = Command::new("sh");
        watcher.args(["-c", WATCH, "watcher"]).arg(folder.path()).current_dir("/");
        watcher.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A signal to all processes of the test must not reach it: it has work to do then.
        std::os::unix::process::CommandExt::process_group(&mut watcher, 0);
        Self { watcher: watcher.spawn().expect("`sh`"), folder }
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The server's data.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the server says.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.watcher.stdin.take();
        // It clears up; the folder's own drop is for what it may have left.
        let _ = self.watcher.wait();
    }
}
