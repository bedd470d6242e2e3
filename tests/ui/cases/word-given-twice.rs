#![allow(unused)]

use delay::Context;

#[delay::func("welcome", queue = "a", timeout = "1s", queue = "b")]
async fn welcome(ctx: &Context) {}

fn main() {}
