//! Programs in Python, with what `tests/python` installs for them.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Runs `tests/clients/NAME` with arguments and an input, and gives what it printed.
///
/// # Panics
/// If it cannot be run, or fails.
#[must_use]
pub fn python(name: &str, args: &[&str], input: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let made = Command::new("tests/python").current_dir(root).stderr(Stdio::inherit()).output();
    let made = made.expect("tests/python can be started");
    assert!(made.status.success(), "tests/python could not install what the clients need");
    let interpreter = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    let mut child = Command::new(interpreter)
        .arg(format!("tests/clients/{name}"))
        .args(args)
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{name}: {}", output.status);
    String::from_utf8(output.stdout).expect("it is UTF-8")
}
