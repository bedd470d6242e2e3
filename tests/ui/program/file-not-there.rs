#[delay::program("report", file = "no-such-file.wasm")]
fn report() -> String;

fn main() {}
