/// Thins out old pictures.
#[delay::program(global = "thin", file = "thin.wasm", export = "main", fuel = 1_000_000, output = "4KiB", enqueues = ["app/src/mail.rs:welcome"], queue = "slow")]
fn thin(#[rest] days: Vec<u32>);
