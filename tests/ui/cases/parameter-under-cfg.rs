#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a(ctx: &Context, #[cfg(unix)] x: u32) {}

fn main() {}
