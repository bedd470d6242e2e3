#![allow(unused)]

use delay::Context;

#[delay::func("a", queue)]
async fn a(ctx: &Context) {}

#[delay::func("b", timeout = 5)]
async fn b(ctx: &Context) {}

#[delay::func("c", retry = 5)]
async fn c(ctx: &Context) {}

#[delay::func("d", aliases = "old.rs:d")]
async fn d(ctx: &Context) {}

#[delay::func("e", removed = "old")]
async fn e(ctx: &Context) {}

#[delay::func("f" queue = "mail")]
async fn f(ctx: &Context) {}

#[delay::func("g", crate = "my_delay")]
async fn g(ctx: &Context) {}

fn main() {}
