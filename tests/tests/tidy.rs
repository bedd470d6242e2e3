//! The layout's rules: floors, orphans, sizes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A file that grows beyond this wants to be two nouns.
const MOST_LINES: usize = 420;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(rust_files(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The modules of `lib.rs` in their order, which is the order of the floors.
fn floors() -> HashMap<String, usize> {
    let lib = read(&root().join("runtime/src/lib.rs"));
    let names = lib.lines().filter_map(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)
    });
    names.enumerate().map(|(rank, name)| (name, rank)).collect()
}

/// The module of `lib.rs` that a file belongs to. Engines live below `store/`, but on the floor of the executor.
fn module(file: &Path) -> String {
    let relative = file.strip_prefix(root().join("runtime/src")).expect("inside the crate");
    let text = relative.with_extension("").to_string_lossy().into_owned();
    let engine =
        ["store/memory", "store/sqlite", "store/postgres"].iter().any(|engine| text.starts_with(engine));
    if engine { "executor".to_owned() } else { text.split('/').next().expect("a name").to_owned() }
}

/// The modules that a file imports, tests left out: a test may look anywhere.
fn imports(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mentions =
        lines.flat_map(|line| line.split("crate::").skip(1).map(str::to_owned).collect::<Vec<_>>());
    mentions
        .map(|rest| rest.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect())
        .filter(|name: &String| !name.is_empty())
        .collect()
}

#[test]
fn a_file_imports_only_what_stands_above_it() {
    let floors = floors();
    assert!(floors.len() > 20, "the modules of lib.rs were not found: {floors:?}");
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("runtime/src")) {
        let own = module(&file);
        let Some(rank) = floors.get(&own) else { continue };
        for import in imports(&read(&file)) {
            if import != own && floors.get(&import).is_some_and(|other| other > rank) {
                wrong.push(format!("{} ({own}) imports {import}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the floors:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_house_names_a_concrete_store() {
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("runtime/src")) {
        let text = file.to_string_lossy().into_owned();
        let house = ["schemes.rs", "testing.rs", "/store/", "/cli/", "store.rs", "lib.rs"];
        if !house.iter().any(|part| text.contains(part)) && read(&file).contains("Store::open") {
            wrong.push(text);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_file_is_a_module_of_something() {
    for package in ["macros", "runtime"] {
        let source = root().join(package).join("src");
        let files = rust_files(&source);
        let all: String = files.iter().map(|file| read(file)).collect();
        for file in &files {
            let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
            let is_root = name == "lib" || file.parent().is_some_and(|folder| folder.ends_with("bin"));
            assert!(
                is_root || all.contains(&format!("mod {name};")),
                "{} is nobody's module",
                file.display()
            );
        }
    }
}

#[test]
fn files_stay_small() {
    let mut large = Vec::new();
    for package in ["macros/src", "runtime/src"] {
        for file in rust_files(&root().join(package)) {
            let source = read(&file);
            let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().lines().count();
            if code > MOST_LINES {
                large.push(format!("{}: {code} lines", file.display()));
            }
        }
    }
    assert!(large.is_empty(), "too large:\n{}", large.join("\n"));
}

/// The audited ones: linkme's table of stores, the system calls of processes, and machine code that was compiled before.
#[test]
fn unsafe_code_is_in_three_files() {
    let audited = ["schemes.rs", "process/native/sys.rs", "process/engine/wasmtime/artefact.rs"];
    let mut found = Vec::new();
    for package in ["macros/src", "runtime/src"] {
        for file in rust_files(&root().join(package)) {
            let name = file.to_string_lossy().into_owned();
            let code = read(&file);
            let is_unsafe = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let uses = lines.filter(|line| is_unsafe.iter().any(|word| line.contains(word))).count();
            if uses > 0 && !audited.iter().any(|audited| name.ends_with(audited)) {
                found.push(format!("{name}: {uses}"));
            }
            if name.ends_with("process/native/sys.rs") {
                let reasons = code.matches("SAFETY: ").count() + code.matches("# Safety").count();
                assert!(uses > 0 && reasons >= uses, "{uses} uses of unsafe, {reasons} reasons in {name}");
            }
        }
    }
    assert!(found.is_empty(), "unsafe code outside of {audited:?}:\n{}", found.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    for package in ["macros/src", "runtime/src"] {
        for file in rust_files(&root().join(package)) {
            assert!(read(&file).starts_with("//!"), "{} has no header", file.display());
        }
    }
}
