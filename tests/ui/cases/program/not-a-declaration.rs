#[delay::program("body", file = "x.wasm")]
fn body() -> String {
    String::new()
}

#[delay::program("async", file = "x.wasm")]
async fn waiting() -> String;

#[delay::program("generic", file = "x.wasm")]
fn generic<T>(value: T);

#[delay::program("state", file = "x.wasm")]
fn state(#[state] pool: u32);

#[delay::program("struct", file = "x.wasm")]
struct Report;

#[delay::program("nothing-to-keep", file = "x.wasm", keep_result = "1d")]
fn nothing();

fn main() {}
