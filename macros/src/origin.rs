//! Where an attribute stands: the package, the crate and the line that are being compiled.
//!
//! Owns every look at the compiler's environment and at the file system; never decides what a file is called (see
//! `identity.rs`).

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::identity::{self, Canonical, Site};

/// One use of an attribute.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The package's name and version.
    pub(crate) package: String,
    pub(crate) version: String,
    /// The crate's name, which a package's library and its binary may share.
    pub(crate) crate_name: String,
    /// The binary's name; `None` for a library or a test.
    pub(crate) binary: Option<String>,
    /// The file's canonical name, and the line in it.
    pub(crate) file: Canonical,
    pub(crate) line: usize,
}

impl Origin {
    /// The attribute that is being expanded. Only the compiler can answer, so unit tests make their own.
    pub(crate) fn of_this_expansion() -> Origin {
        let span = proc_macro::Span::call_site();
        // The real path, which `--remap-path-prefix` leaves alone; it is cut before anything of it is emitted.
        let file = span.local_file().unwrap_or_else(|| PathBuf::from(span.file()));
        let package = variable("CARGO_PKG_NAME");
        Origin {
            version: variable("CARGO_PKG_VERSION"),
            crate_name: variable("CARGO_CRATE_NAME"),
            binary: env::var("CARGO_BIN_NAME").ok(),
            file: file_name(&package, &file),
            line: span.line(),
            package,
        }
    }
}

fn file_name(package: &str, file: &Path) -> Canonical {
    let manifest_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let working_dir = env::current_dir().unwrap_or_default();
    let out_dir = PathBuf::from(variable("OUT_DIR"));

    let lexical = canonical(package, &manifest_dir, &working_dir, &out_dir, file);
    if lexical.known {
        return lexical;
    }
    // A workspace may be reached through a symbolic link in one variable and not in another.
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let real = canonical(package, &real(&manifest_dir), &real(&working_dir), &real(&out_dir), &real(file));
    if real.known { real } else { lexical }
}

fn canonical(
    package: &str,
    manifest_dir: &Path,
    working_dir: &Path,
    out_dir: &Path,
    file: &Path,
) -> Canonical {
    identity::canonical(&Site {
        package,
        manifest_dir: &manifest_dir.to_string_lossy(),
        working_dir: &working_dir.to_string_lossy(),
        out_dir: &out_dir.to_string_lossy(),
        file: &file.to_string_lossy(),
    })
}

/// A variable that Cargo sets; empty in a build that is not Cargo's.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
