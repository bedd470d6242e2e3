#![allow(unused)]

use delay::Context;

#[delay::func("a", aliases = ["old-key", "src/old.rs:", "global:x", "global:x"])]
async fn a(ctx: &Context) {}

#[delay::func(global = "b", aliases = ["global:b"])]
async fn b(ctx: &Context) {}

fn main() {}
