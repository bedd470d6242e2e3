//! Programs of your users, inside your process: WebAssembly that can compute and call what you offer, and nothing else.
//!
//! `cargo run --example wasm_plugin --features programs`; give it modules of your own as arguments. One of those that
//! come with it is in C, and works; the others misbehave, each in its way, and are ended alone. They are compiled in a
//! process of their own, so that not even the compiler is theirs to attack.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use delay::process::program::{Program, task};
use delay::process::{Isolation, ProcessPolicy};
use delay::{Retry, Runtime};

#[delay::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut plugins: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if plugins.is_empty() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("wasm_plugin");
        plugins = ["words", "spin", "hoard", "dig", "babble", "pry"]
            .map(|name| folder.join(name).with_extension("wasm"))
            .into();
    }
    let mut builder = Runtime::builder("memory:");
    for plugin in &plugins {
        let program = untrusted(std::fs::read(plugin)?);
        // Now, and not within the time limit of its first attempt; whoever uploads it wants to know now, too.
        program.compile()?;
        builder = builder.program(name(plugin), program);
    }
    let rt = builder.build().await?;
    rt.start().await?;

    // A struct would do as well; every program gets one map by name.
    let arguments = BTreeMap::from([("text", "the quick brown fox jumps over the lazy dog")]);
    for plugin in &plugins {
        let called = task::<u32>(&name(plugin), &arguments).add(&rt).await?;
        match called.result().await {
            Ok(words) => println!("{}: {words} words", name(plugin)),
            Err(error) => println!("{}: {}", name(plugin), error.chain()),
        }
    }
    rt.stop().await?;
    Ok(())
}

/// What somebody else's program may do: nothing is enqueued, and everything has a limit.
fn untrusted(module: Vec<u8>) -> Program {
    let compiler = ProcessPolicy::default().memory(512 << 20).cpu_time(Duration::from_secs(30));
    Program::from_bytes(module)
        .compile_apart(Isolation::of_this_user(), compiler)
        .memory(4 << 20)
        .output(64 << 10)
        .timeout("300ms")
        .keep_result("1h")
        .retry(Retry { limit: Some(0), ..Retry::DEFAULT })
}

fn name(plugin: &Path) -> String {
    plugin.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
