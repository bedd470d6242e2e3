#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a<'a>(ctx: &'a Context, to: &'a str) {}

#[delay::func("b")]
async fn b(ctx: &Context, to: &'static str) {}

fn main() {}
