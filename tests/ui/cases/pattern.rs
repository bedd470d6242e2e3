#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a(ctx: &Context, (x, y): (u32, u32)) {}

#[delay::func("b")]
async fn b(ctx: &Context, _: u32) {}

fn main() {}
