#![allow(unused)]

use delay::Context;

#[delay::func("a", priority = 40000)]
async fn a(ctx: &Context) {}

#[delay::func("b", priority = high)]
async fn b(ctx: &Context) {}

fn main() {}
