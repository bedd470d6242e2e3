#![allow(unused)]

use delay::Context;

#[delay::func("")]
async fn a(ctx: &Context) {}

#[delay::func("two\nlines")]
async fn b(ctx: &Context) {}

#[delay::func(7)]
async fn c(ctx: &Context) {}

#[delay::func(welcome)]
async fn d(ctx: &Context) {}

fn main() {}
