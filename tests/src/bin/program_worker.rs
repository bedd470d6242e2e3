//! A worker that runs the program `count` until it is told to stop: `program_worker URL ENGINE`. What the program logs
//! goes to standard output, and between it a line `moved` whenever something in the store has.

use std::sync::Arc;

use delay::process::engine::{Engine, Wasmi, Wasmtime};
use delay::process::program::{Cache, Program};
use delay::store::Store as _;
use delay_tests::{Watched, open_store};

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
    let store = Watched::new(open_store(url).await?);
    let mut moves = store.moves();
    tokio::spawn(async move {
        while moves.changed().await.is_ok() {
            println!("moved");
        }
    });
    delay::Runtime::on(Arc::clone(&store) as _).program("count", count).build().await?.run().await?;
    Ok(store.close().await?)
}
