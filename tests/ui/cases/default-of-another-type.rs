#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a(ctx: &Context, #[default = "one"] n: u32) {}

fn main() {}
