#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a(ctx: &Context, count: &mut u32) {}

fn main() {}
