//! The canonical name of a source file: the same on every machine, in every checkout, for every target.
//!
//! Owns the rules, as a pure function over text; never asks the file system or the environment (see `origin.rs`).
//!
//! A function is known to its stored calls by `package/path inside the package:key`. `file!()` cannot give that path:
//! it is relative to the workspace's folder, and cutting it by the look of its parts would make the identity depend on
//! what the checkout happens to be called (`/src/src/main.rs`). The macro runs inside the compiler, where the package's
//! own folder is known, and that folder is what the rules cut by.

/// Where a file was seen, and by which package. Paths may have the form of any platform.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'a> {
    /// The package that is being compiled.
    pub(crate) package: &'a str,
    /// The folder of its `Cargo.toml`; empty when the build is not Cargo's.
    pub(crate) manifest_dir: &'a str,
    /// The folder that relative paths start at: the workspace's for its members.
    pub(crate) working_dir: &'a str,
    /// The folder that its build script writes to; empty when it has none.
    pub(crate) out_dir: &'a str,
    /// The file, as the compiler names it.
    pub(crate) file: &'a str,
}

/// A file's canonical name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Canonical {
    /// The path inside the package; the full text for a file of unknown form.
    pub(crate) file: String,
    /// Whether the form was known, so that the name holds nothing of this machine.
    pub(crate) known: bool,
}

/// The canonical name of `site.file`.
pub(crate) fn canonical(site: &Site<'_>) -> Canonical {
    let working_dir = normal(site.working_dir);
    let file = absolute(&normal(site.file), &working_dir);
    let manifest_dir = absolute(&normal(site.manifest_dir), &working_dir);
    let out_dir = absolute(&normal(site.out_dir), &working_dir);

    let known = generated(&file, &out_dir, site.package)
        .or_else(|| doctest_bundle(&file))
        .or_else(|| inside(&manifest_dir, &file).map(str::to_owned))
        .or_else(|| dependency(&file, &working_dir, site.package))
        .or_else(|| beside(&manifest_dir, &working_dir, &file))
        .or_else(|| own_release_folder(&file, site.package));
    match known {
        Some(file) => Canonical { file, known: true },
        None => Canonical { file: normal(site.file), known: false },
    }
}

/// A file that a build script wrote: `$OUT_DIR/bindings.rs`. The folder itself has a hash in its name.
fn generated(file: &str, out_dir: &str, package: &str) -> Option<String> {
    if let Some(rest) = inside(out_dir, file) {
        return Some(format!("$OUT_DIR/{rest}"));
    }
    let parts: Vec<&str> = file.split('/').collect();
    // `build/<package>-<hash>/out/…`, or `build/<package>/<hash>/out/…` in Cargo's newer layout.
    let (owner, rest) = parts.iter().enumerate().find_map(|(at, part)| {
        let after = &parts[at + 1..];
        match (*part, after) {
            ("build", [folder, "out", rest @ ..]) if !rest.is_empty() => {
                let (owner, hash) = folder.rsplit_once('-')?;
                is_hash(hash).then_some((owner, rest))
            }
            ("build", [owner, hash, "out", rest @ ..]) if !rest.is_empty() && is_hash(hash) => {
                Some((*owner, rest))
            }
            _ => None,
        }
    })?;
    let rest = rest.join("/");
    Some(if owner == package { format!("$OUT_DIR/{rest}") } else { format!("{owner}/$OUT_DIR/{rest}") })
}

/// The file that rustdoc puts the examples of a crate's documentation in, to compile them together.
fn doctest_bundle(file: &str) -> Option<String> {
    let (folder, name) = file.rsplit_once('/')?;
    let folder = folder.rsplit('/').next()?;
    (folder.starts_with("rustdoctest") && name.starts_with("doctest_bundle")).then(|| name.to_owned())
}

/// A file in a folder that keeps other people's packages, without the release and the hashes. A file of another package
/// than the one that is compiled, seen through a macro, is `jobs/src/a.rs`.
fn dependency(file: &str, working_dir: &str, package: &str) -> Option<String> {
    let parts: Vec<&str> = file.split('/').collect();
    let (name, rest) = parts.iter().enumerate().find_map(|(at, part)| {
        let after = &parts[at + 1..];
        match (*part, after) {
            ("registry", ["src", _index, folder, rest @ ..]) => Some((release(folder)?, rest)),
            ("git", ["checkouts", folder, _revision, rest @ ..]) => {
                let (name, hash) = folder.rsplit_once('-')?;
                is_hash(hash).then_some((name, rest))
            }
            ("vendor", [folder, rest @ ..]) if !rest.is_empty() => {
                // `/home/vendor/app/…` is somebody's home, not a vendor folder, when the build itself runs below it.
                let vendored = parts[..at + 2].join("/");
                let somewhere_else = vendored != working_dir && inside(&vendored, working_dir).is_none();
                somewhere_else.then_some((release(folder).unwrap_or(folder), rest))
            }
            (folder, rest) if folder.contains('@') => Some((release(folder)?, rest)),
            _ => None,
        }
    })?;
    let path = non_empty(rest)?;
    Some(if name == package { path } else { format!("{name}/{path}") })
}

/// A file outside the package's folder and inside the workspace's, such as `#[path = "../../shared/jobs.rs"]` names.
fn beside(manifest_dir: &str, working_dir: &str, file: &str) -> Option<String> {
    let package = inside(working_dir, manifest_dir)?;
    let file = inside(working_dir, file)?;
    let shared = package.split('/').zip(file.split('/')).take_while(|(a, b)| a == b).count();
    let up = "../".repeat(package.split('/').count() - shared);
    let down: Vec<&str> = file.split('/').skip(shared).collect();
    Some(format!("{up}{}", down.join("/")))
}

/// A file in a folder that is named after a release of this very package: `jobs-1.2.3/src/a.rs`.
fn own_release_folder(file: &str, package: &str) -> Option<String> {
    let parts: Vec<&str> = file.split('/').collect();
    let at = parts.iter().rposition(|part| release(part) == Some(package))?;
    non_empty(&parts[at + 1..])
}

/// What of `path` lies below `folder`; both are normal and absolute.
fn inside<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    if !is_absolute(folder) {
        return None;
    }
    let rest = path.strip_prefix(folder.trim_end_matches('/'))?.strip_prefix('/')?;
    (!rest.is_empty()).then_some(rest)
}

/// The package of a folder that is named after a release of it: `name-1.2.3`, `name@v1.2.3`; `name@master` is none.
fn release(folder: &str) -> Option<&str> {
    if let Some((name, version)) = folder.split_once('@') {
        return (!name.is_empty() && is_version(version.strip_prefix('v').unwrap_or(version)))
            .then_some(name);
    }
    let at = folder.match_indices('-').map(|(at, _)| at).find(|at| is_version(&folder[at + 1..]))?;
    (at > 0).then(|| &folder[..at])
}

/// `1.2.3`, and whatever `-pre.1+build` follows.
fn is_version(text: &str) -> bool {
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = numbers.split('.').collect();
    numbers.len() == 3 && numbers.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The 16 hexadecimal digits that Cargo appends to a folder's name.
fn is_hash(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn non_empty(parts: &[&str]) -> Option<String> {
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// `path`, continued from `folder` when it is relative.
fn absolute(path: &str, folder: &str) -> String {
    if path.is_empty() || path.starts_with('<') || is_absolute(path) || !is_absolute(folder) {
        return path.to_owned();
    }
    normal(&format!("{}/{path}", folder.trim_end_matches('/')))
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || path.as_bytes().get(1..3) == Some(b":/")
}

/// `/` as the only separator, no `.`, `..` or doubled separators, a drive letter in upper case, no verbatim prefix.
fn normal(path: &str) -> String {
    let path = path.replace('\\', "/");
    let (path, root) = match path.strip_prefix("//?/UNC/") {
        Some(share) => (share, "//"),
        None => {
            let path = path.strip_prefix("//?/").or_else(|| path.strip_prefix("//./")).unwrap_or(&path);
            match path.strip_prefix("//") {
                Some(share) if !share.starts_with('/') => (share, "//"),
                _ => (path.trim_start_matches('/'), if path.starts_with('/') { "/" } else { "" }),
            }
        }
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != ".." && !last.ends_with(':')) => {
                parts.pop();
            }
            // Above the root there is nothing.
            ".." if !root.is_empty() || parts.last().is_some_and(|last| last.ends_with(':')) => {}
            part => parts.push(part),
        }
    }
    let mut normal = format!("{root}{}", parts.join("/"));
    if normal.as_bytes().get(1) == Some(&b':') {
        normal[..1].make_ascii_uppercase();
    }
    normal
}

#[cfg(test)]
mod tests;
