//! Which workers on this machine are alive, known from the system and not from a clock: each worker's process holds a
//! lock on a small file, and the system lets go of it when the process dies, however it dies. So a killed worker's
//! tasks run again at once, without waiting for the lease, which remains the rule for a process that merely hangs.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::store::WorkerId;

/// What is known of a worker's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Its process has died.
    Dead,
    /// It lives, or nobody can tell: its lease decides.
    Unknown,
}

pub(super) struct Alive {
    prefix: PathBuf,
    own: HashMap<WorkerId, Option<File>>,
}

impl Alive {
    pub(super) fn new(store: &Path) -> Self {
        let mut prefix = store.as_os_str().to_owned();
        prefix.push("-worker-");
        Self { prefix: prefix.into(), own: HashMap::new() }
    }

    fn file(&self, worker: WorkerId) -> PathBuf {
        let mut path = self.prefix.clone().into_os_string();
        path.push(worker.0.to_string());
        path.into()
    }

    /// Takes the lock for a worker of this process.
    pub(super) fn enlist(&mut self, worker: WorkerId) {
        let path = self.file(worker);
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let locked = options.open(&path).and_then(|file| match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(std::io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        });
        if let Err(error) = &locked {
            // Without the file nothing can be told about this worker, and its lease decides.
            tracing::debug!(%error, file = %path.display(), "no lock for this worker");
            let _ = fs::remove_file(&path);
        }
        self.own.insert(worker, locked.ok());
    }

    /// Lets go of it.
    pub(super) fn retire(&mut self, worker: WorkerId) {
        self.own.remove(&worker);
        let _ = fs::remove_file(self.file(worker));
    }

    /// Whether the worker's process has died.
    pub(super) fn look(&self, worker: WorkerId) -> Life {
        if self.own.contains_key(&worker) {
            return Life::Unknown;
        }
        match File::open(self.file(worker)).map(|file| file.try_lock()) {
            Ok(Ok(())) => Life::Dead,
            _ => Life::Unknown,
        }
    }
}
