#[delay::main]
fn main() {}
