#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a(ctx: &Context, to: impl Into<String>, all: Vec<impl Copy>) {}

#[delay::func("b")]
async fn b(ctx: &Context) -> impl Sized {}

fn main() {}
