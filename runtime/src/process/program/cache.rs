//! Compiled code on disk, so that a program is compiled once and not once per process.
//!
//! An entry is known by all that it depends on: the module's hash, whether and by which revision it was transformed,
//! engine and version. It begins with a checksum; one that is damaged is noticed, said, and made anew. A checksum is no
//! defence against somebody who means harm, and machine code is believed: so the folder is made for its owner alone, and
//! not used if anybody else can write it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::process::engine::Fault;
use crate::process::snapshot::ModuleHash;
use crate::process::suspend::REVISION;

const MAGIC: [u8; 8] = *b"delaycod";
const SUM: usize = 32;

/// Where compiled code is kept.
///
/// The default is the folder that the variable `DELAY_CACHE` names, else `delay` below `$XDG_CACHE_HOME` or `~/.cache`,
/// else none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache(Option<PathBuf>);

impl Default for Cache {
    fn default() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("DELAY_CACHE").or_else(|| {
            let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
            Some(caches.join("delay"))
        });
        Self(folder)
    }
}

impl Cache {
    /// Keeps nothing: each process compiles for itself.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Keeps compiled code in this folder, which is made for its owner alone if it is not there.
    #[must_use]
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self(Some(path.into()))
    }

    /// The code of an entry: loaded if it is there and whole, else compiled, kept and loaded.
    pub(super) fn code<C>(
        &self,
        key: &Key,
        compile: impl FnOnce() -> Result<Vec<u8>, Fault>,
        load: impl Fn(&[u8]) -> Result<C, Fault>,
    ) -> Result<C, Fault> {
        let place = self.place(key);
        if let Some(place) = &place {
            match read(place) {
                Ok(Some(artefact)) => match load(&artefact) {
                    Ok(code) => return Ok(code),
                    Err(fault) => {
                        tracing::warn!(path = %place.display(), %fault, "compiled code does not load; compiling anew")
                    }
                },
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(path = %place.display(), %error, "compiled code cannot be used; compiling anew");
                }
            }
        }
        let artefact = compile()?;
        if let Some(place) = &place
            && let Err(error) = write(place, &artefact)
        {
            tracing::warn!(path = %place.display(), %error, "compiled code cannot be kept");
        }
        load(&artefact)
    }

    /// The file of an entry, if the folder may be used.
    fn place(&self, key: &Key) -> Option<PathBuf> {
        let folder = self.0.as_ref()?;
        match private(folder) {
            Ok(()) => Some(folder.join(key.file())),
            Err(error) => {
                tracing::warn!(path = %folder.display(), %error, "the cache for compiled code is not used");
                None
            }
        }
    }
}

/// All that compiled code depends on.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) module: ModuleHash,
    pub(super) transformed: bool,
    pub(super) engine: &'static str,
    pub(super) version: String,
}

impl Key {
    fn file(&self) -> String {
        let module: String = self.module.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let form = if self.transformed { format!("r{REVISION}") } else { "plain".to_owned() };
        format!("{module}-{form}-{}-{}", self.engine, self.version)
    }
}

/// Makes the folder, or looks whether it is its owner's, and this process's, alone.
fn private(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let found = fs::symlink_metadata(folder)?;
        // A file that this process makes is its own: that tells who it is.
        let probe = tempname(folder);
        let own = fs::File::create_new(&probe).and_then(|file| file.metadata());
        fs::remove_file(&probe)?;
        if !found.is_dir() || found.mode() & 0o022 != 0 || found.uid() != own?.uid() {
            let text = "others can write in it, or it is somebody else's: compiled code is believed";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        Ok(())
    }
    #[cfg(not(unix))]
    fs::create_dir_all(folder)
}

/// A name that no entry has, and no other thread or process.
fn tempname(folder: &Path) -> PathBuf {
    folder.join(format!(".{}", uuid::Uuid::new_v4()))
}

/// An entry that is whole; none if there is none.
fn read(place: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = match fs::read(place) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let head = MAGIC.len() + SUM;
    let whole = bytes.len() >= head
        && bytes[..MAGIC.len()] == MAGIC
        && bytes[MAGIC.len()..head] == Sha256::digest(&bytes[head..])[..];
    if !whole {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged"));
    }
    Ok(Some(bytes.split_off(head)))
}

/// Written beside its place and moved there: whoever reads it finds all of it or nothing.
fn write(place: &Path, artefact: &[u8]) -> io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("."));
    let beside = tempname(folder);
    let written = (|| {
        let mut file = fs::File::create_new(&beside)?;
        file.write_all(&MAGIC)?;
        file.write_all(&Sha256::digest(artefact))?;
        file.write_all(artefact)?;
        fs::rename(&beside, place)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn key() -> Key {
        Key {
            module: ModuleHash::of(b"a module"),
            transformed: true,
            engine: "test",
            version: "1".to_owned(),
        }
    }

    /// What the cache gives, and whether it compiled.
    fn get(cache: &Cache, key: &Key) -> (Vec<u8>, bool) {
        let compiled = Cell::new(false);
        let compile = || {
            compiled.set(true);
            Ok(b"machine code".to_vec())
        };
        let code = cache.code(key, compile, |bytes| Ok(bytes.to_vec())).unwrap();
        (code, compiled.get())
    }

    fn entries(folder: &Path) -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn what_was_compiled_once_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::folder(folder.path().join("below/it"));
        assert_eq!(get(&cache, &key()), (b"machine code".to_vec(), true));
        assert_eq!(get(&cache, &key()), (b"machine code".to_vec(), false));
        assert_eq!(entries(&folder.path().join("below/it")).len(), 1, "no other file is left");
    }

    #[test]
    fn another_module_form_engine_or_version_is_another_entry() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::folder(folder.path());
        get(&cache, &key());
        let others = [
            Key { module: ModuleHash::of(b"another"), ..key() },
            Key { transformed: false, ..key() },
            Key { engine: "other", ..key() },
            Key { version: "2".to_owned(), ..key() },
        ];
        for other in others {
            assert!(get(&cache, &other).1, "{other:?}");
        }
    }

    #[test]
    fn every_damaged_entry_is_noticed_and_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::folder(folder.path());
        get(&cache, &key());
        let entry = entries(folder.path()).remove(0);
        let whole = fs::read(&entry).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&entry, damaged).unwrap();
            assert_eq!(get(&cache, &key()), (b"machine code".to_vec(), true), "byte {at}");
        }
        fs::write(&entry, &whole[..20]).unwrap();
        assert!(get(&cache, &key()).1);
        assert!(!get(&cache, &key()).1, "and it is whole again");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_write_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let cache = Cache::folder(folder.path());
        assert!(get(&cache, &key()).1);
        assert!(get(&cache, &key()).1);
        assert!(entries(folder.path()).is_empty());
    }
}
