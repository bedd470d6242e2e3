use delay::Context;

#[delay::program("no-file")]
fn no_file() -> String;

#[delay::program(file = "x.wasm")]
fn no_key() -> String;

#[delay::program("misspelt", file = "x.wasm", memry = "1MiB", colour = "red")]
fn misspelt() -> String;

#[delay::program("sizes", file = "x.wasm", memory = "64", output = "0KiB", fuel = "much", enqueues = "all")]
fn sizes() -> String;

#[delay::program("checkpoint", file = "x.wasm", checkpoint = "10s")]
fn checkpoint() -> String;

#[delay::program("twice", file = "x.wasm", file = "y.wasm")]
fn twice() -> String;

#[delay::program("queue", file = "x.wasm", queue = "a b", timeout = "soon")]
fn queue() -> String;

#[delay::program("process", file = "x.wasm", isolate = process, cpu = "30s")]
fn process() -> String;

fn main() {
    let _: fn(&Context) = |_| {};
}
