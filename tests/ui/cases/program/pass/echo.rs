#![deny(warnings, missing_docs)]
#![forbid(unsafe_code)]
//! A program is declared in a crate that is strict.

use std::collections::BTreeMap;

/// Gives back what it is given.
#[delay::program(
    "echo",
    file = "../../../../../runtime/tests/program/echo.wasm",
    suspendable,
    checkpoint = "10s",
    memory = "1MiB",
    fuel = 1_000_000,
    keep_result = "1h",
    timeout = "1m"
)]
pub fn echo(title: &str, #[default] rows: Option<u32>, #[rest] widths: &[u32]) -> BTreeMap<String, Option<u32>>;

fn main() {
    let task = Echo::task("Q3", Some(3), [1, 2]);
    let _: delay::TaskBuilder<BTreeMap<String, Option<u32>>> = task;
}
