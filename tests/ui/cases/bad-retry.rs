#![allow(unused)]

use delay::Context;

#[delay::func("a", retry())]
async fn a(ctx: &Context) {}

#[delay::func("b", retry(limits = 3, max_doublings = -1))]
async fn b(ctx: &Context) {}

#[delay::func("c", retry(limit = "five"))]
async fn c(ctx: &Context) {}

fn main() {}
