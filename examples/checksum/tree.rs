//! The files below a folder, in the order in which their paths sort as bytes. Reads folders, never files.

use std::cmp::Ordering;
use std::io;
use std::path::{Path, PathBuf};

use delay::Timestamp;
use sha2::{Digest as _, Sha256};
use walkdir::{DirEntry, WalkDir};

/// A file of the tree.
pub(crate) struct File {
    /// The path as it is to be printed: it begins as the folder was given.
    pub(crate) path: PathBuf,
    /// The path as it is to be opened: the same file from whichever folder a later run is started.
    pub(crate) absolute: PathBuf,
    /// A task name for what the file holds now: another one after it has changed.
    pub(crate) version: String,
}

/// A folder to be walked.
pub(crate) struct Tree {
    dir: PathBuf,
    absolute: PathBuf,
}

impl Tree {
    pub(crate) fn new(dir: &Path) -> io::Result<Self> {
        Ok(Self { dir: dir.to_owned(), absolute: dir.canonicalize()? })
    }

    /// Its regular files. One folder's entries at a time are in memory.
    pub(crate) fn files(&self) -> impl Iterator<Item = walkdir::Result<File>> {
        let entries = WalkDir::new(&self.dir).sort_by(by_path);
        let files = entries
            .into_iter()
            .filter(|entry| entry.as_ref().map_or(true, |entry| entry.file_type().is_file()));
        files.map(|entry| self.file(&entry?))
    }

    fn file(&self, entry: &DirEntry) -> walkdir::Result<File> {
        let path = entry.path().to_owned();
        let below = path.strip_prefix(&self.dir).unwrap_or(&path);
        let absolute = self.absolute.join(below);
        let metadata = entry.metadata()?;
        let changed = metadata.modified().map_or(0, |time| Timestamp::from(time).as_micros());
        let mut version = Sha256::new();
        version.update(metadata.len().to_be_bytes());
        version.update(changed.to_be_bytes());
        version.update(absolute.as_os_str().as_encoded_bytes());
        let version = version.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(File { path, absolute, version })
    }
}

/// Whole paths are compared, and below a folder a `/` follows its name: `a.txt` comes before `a/b`, but `a0` after it.
fn by_path(a: &DirEntry, b: &DirEntry) -> Ordering {
    fn key(entry: &DirEntry) -> impl Iterator<Item = u8> {
        let slash = entry.file_type().is_dir().then_some(b'/');
        entry.file_name().as_encoded_bytes().iter().copied().chain(slash)
    }
    key(a).cmp(key(b))
}
