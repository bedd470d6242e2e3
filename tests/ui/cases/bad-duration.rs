#![allow(unused)]

use delay::Context;

#[delay::func("a", timeout = "soon")]
async fn a(ctx: &Context) {}

#[delay::func("b", timeout = "5")]
async fn b(ctx: &Context) {}

#[delay::func("c", timeout = "0s")]
async fn c(ctx: &Context) {}

#[delay::func("d", keep_result = "10us")]
async fn d(ctx: &Context) -> u32 {
    1
}

#[delay::func("e", retry(min_backoff = "2h", max_backoff = "1h", age_limit = "300 years"))]
async fn e(ctx: &Context) {}

fn main() {}
