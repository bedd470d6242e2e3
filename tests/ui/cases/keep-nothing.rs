#![allow(unused)]

use delay::Context;

#[delay::func("a", keep_result = "1d")]
async fn a(ctx: &Context) {}

#[delay::func("b", keep_result = "1d")]
async fn b(ctx: &Context) -> Result<(), delay::BoxError> {
    Ok(())
}

#[delay::func("c", keep_result = "1d")]
fn c(ctx: &Context) -> &'static str {
    "kept"
}

fn main() {}
