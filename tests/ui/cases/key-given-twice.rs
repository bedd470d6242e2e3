#![allow(unused)]

use delay::Context;

#[delay::func("a", global = "a")]
async fn a(ctx: &Context) {}

fn main() {}
