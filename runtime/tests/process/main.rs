//! Processes: each row of the specification's tables is a test that names it, in each isolation that this user can have.
//!
//! The harness is not Rust's own: a container is this very program, and has to come by `init` before anything else.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::process::ExitCode;

use delay::process::Isolation;
use libtest_mimic::{Arguments, Trial};

#[cfg(all(feature = "wasmi", feature = "wasmtime"))]
mod compiling;
mod endings;
mod executors;
mod fixture;
mod functions;
mod groups;
mod guests;
mod hostile;
#[cfg(feature = "cli")]
mod operators;
mod rows;
mod shut_in;
mod storms;
mod unprivileged;

/// A test, and its name.
type Test = (&'static str, fn(Isolation));

/// `tests![a, b]`: functions with their names.
macro_rules! tests {
    ($($name:ident),+ $(,)?) => { &[$((stringify!($name), $name as fn(delay::process::Isolation))),+] };
}
pub(crate) use tests;

fn main() -> ExitCode {
    delay::process::init();
    if let Some(mode) = std::env::var_os(executors::WORKER) {
        executors::work(&mode);
    }
    let mut arguments = Arguments::from_args();
    // A test that looks for its container finds that of another, if they share a process; nextest gives each its own.
    arguments.test_threads.get_or_insert(1);
    let mut trials = Vec::new();
    let modes = [
        ("full", Isolation::Full),
        ("single_user", Isolation::SingleUser),
        ("limits_only", Isolation::LimitsOnly),
    ];
    let root = Isolation::of_this_user() == Isolation::Full;
    for (mode, isolation) in modes {
        if isolation == Isolation::Full && !root {
            // Said, and tested, instead of left out.
            trials.push(Trial::test("full::is_refused_without_the_privilege", || {
                unprivileged::full_isolation_is_refused();
                Ok(())
            }));
            continue;
        }
        // The rest does not depend on how far processes are kept away.
        let strongest = isolation == Isolation::of_this_user();
        let others: &[&[Test]] = &[
            executors::TESTS,
            functions::TESTS,
            storms::TESTS,
            groups::TESTS,
            #[cfg(feature = "cli")]
            operators::TESTS,
        ];
        let others = if strongest { others } else { &[] };
        let everywhere: &[&[Test]] = &[
            rows::TESTS,
            endings::TESTS,
            hostile::TESTS,
            shut_in::TESTS,
            #[cfg(all(feature = "wasmi", feature = "wasmtime"))]
            compiling::TESTS,
        ];
        for (name, test) in everywhere.iter().chain(others).flat_map(|tests| tests.iter()) {
            let test = *test;
            trials.push(Trial::test(format!("{mode}::{name}"), move || {
                test(isolation);
                Ok(())
            }));
        }
    }
    if root {
        trials.push(Trial::test("unprivileged::everything_again_as_nobody", || {
            unprivileged::everything_again_as_nobody();
            Ok(())
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
