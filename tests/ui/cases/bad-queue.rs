#![allow(unused)]

use delay::Context;

#[delay::func("a", queue = "my queue")]
async fn a(ctx: &Context) {}

#[delay::func("b", queue = "")]
async fn b(ctx: &Context) {}

fn main() {}
