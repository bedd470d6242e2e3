//! A worker that runs the program `count` until it is told to stop: `program_worker URL ENGINE`. What the program logs
//! goes to standard output.

use delay::process::engine::{Engine, Wasmi, Wasmtime};
use delay::process::program::{Cache, Program};

#[delay::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_ansi(false).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, engine] = arguments.as_slice() else { return Err("program_worker URL ENGINE".into()) };
    let engine: &'static dyn Engine = if engine == "wasmi" { &Wasmi } else { &Wasmtime };
    let count = Program::from_bytes(&include_bytes!("../../guests/count.wasm")[..])
        .suspendable(true)
        .checkpoint_every("20ms")
        .keep_result("1d")
        .cache(Cache::none())
        .engine(engine);
    delay::Runtime::builder(url).program("count", count).build().await?.run().await?;
    Ok(())
}
