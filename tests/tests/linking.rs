//! What the linker makes of registrations: a key that stands twice in one crate is refused, and nothing else is.
//!
//! `cargo check` links nothing, so these are whole builds, of packages that are written below and share one target
//! folder.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Two functions of one key in one file.
const TWICE: &str = r#"
#![forbid(unsafe_code)]
use delay::Context;

#[delay::func("greet")]
async fn greet(_ctx: &Context) {}

mod other {
    use delay::Context;

    #[delay::func("greet")]
    async fn another(_ctx: &Context) {}
}

fn main() {}
"#;

/// A library, that is a `cdylib` as well, and shares a file with the package's binary.
const LIBRARY: &str = r#"
#![forbid(unsafe_code)]
pub mod shared;

#[cfg(test)]
mod tests {
    #[test]
    fn is_linked_with_the_crate_that_it_is_a_test_of() {
        assert_eq!(helper::id(), <super::shared::Greet as delay::Function>::id());
        let _ = delay::testing::Env::new();
    }
}
"#;

/// The shared file. Its second key has every sign that a linker script would stumble over.
const SHARED: &str = r#"
use delay::Context;

#[delay::func("greet")]
pub async fn greet(_ctx: &Context) {}

#[delay::func("to one@v1: 100 % \"ünïcode\"; {/} *?[a] \\ $x #")]
pub async fn odd(_ctx: &Context) {}
"#;

const BINARY: &str = r#"
#![forbid(unsafe_code)]
mod shared;

fn main() {
    use delay::Function as _;
    assert_eq!(shared::Greet::id(), "app/src/shared.rs:greet");
    assert_eq!(shared::Greet::id(), app::shared::Greet::id());
    // Both registrations are linked, and are one function: the environment would panic over a duplicate.
    let _ = delay::testing::Env::new();
}
"#;

/// A dependency of the library's tests that depends on the library.
const HELPER: &str = r#"
pub fn id() -> &'static str {
    <app::shared::Greet as delay::Function>::id()
}
"#;

#[test]
fn a_key_that_stands_twice_in_one_crate_does_not_build() {
    let output = cargo("twice", &["build", "-p", "twice"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("symbol `delay_func_key.greet."), "{said}");
    assert!(said.contains("is already defined"), "{said}");
    // At the second key.
    assert!(said.contains("twice/src/main.rs:11:19"), "{said}");
}

#[test]
fn one_file_in_a_library_and_a_binary_is_one_function() {
    let output = cargo("app", &["run", "-p", "app"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn tests_are_linked_with_their_own_crate_through_a_dependency() {
    let output = cargo("tests", &["test", "-p", "app", "--lib"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs Cargo in a workspace of its own; the tests share what is compiled, not the sources.
fn cargo(name: &str, arguments: &[&str]) -> Output {
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linking");
    let workspace = shared.join(name);
    write_packages(&workspace);
    Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--offline")
        .current_dir(&workspace)
        .env("CARGO_TARGET_DIR", shared.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .expect("Cargo, which built this test, can be run")
}

fn write_packages(workspace: &Path) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let runtime = tests.parent().expect("the tests lie in the workspace").join("runtime");
    let dependency = format!(
        "delay = {{ package = 'delay-func', path = '{}', default-features = false }}",
        runtime.display()
    );
    let package = |name: &str, rest: &str| {
        format!(
            "[package]\nname = '{name}'\nversion = '0.1.0'\nedition = '2024'\n{rest}\n[dependencies]\n{dependency}\n"
        )
    };
    let members =
        "[workspace]\nresolver = '3'\nmembers = ['app', 'helper', 'twice']\n[profile.dev]\ndebug = false\n";
    let app = package(
        "app",
        "[lib]\ncrate-type = ['lib', 'cdylib']\n[dev-dependencies]\nhelper = { path = '../helper' }",
    );
    let helper = package("helper", "") + "app = { path = '../app' }\n";
    for (file, text) in [
        ("Cargo.toml", members),
        ("app/Cargo.toml", &app),
        ("app/src/lib.rs", LIBRARY),
        ("app/src/main.rs", BINARY),
        ("app/src/shared.rs", SHARED),
        ("helper/Cargo.toml", &helper),
        ("helper/src/lib.rs", HELPER),
        ("twice/Cargo.toml", &package("twice", "")),
        ("twice/src/main.rs", TWICE),
    ] {
        write_if_other(&workspace.join(file), text);
    }
    // The versions that this workspace has, so that nothing is looked up.
    let ours = tests.parent().expect("the tests lie in the workspace").join("Cargo.lock");
    fs::copy(ours, workspace.join("Cargo.lock")).expect("the workspace is locked");
}

/// Leaves a file alone that is as it should be, so that Cargo does not build it again.
fn write_if_other(file: &PathBuf, text: &str) {
    if fs::read_to_string(file).is_ok_and(|found| found == text) {
        return;
    }
    let folder = file.parent().expect("a file lies in a folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, text))
        .expect("the target folder can be written to");
}
