#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a(ctx: &Context, to: Option<&str>, all: &[&str]) {}

#[delay::func("b")]
async fn b(ctx: &Context, shape: &dyn Send) {}

async fn enqueue(ctx: &Context) {
    let _ = A::call(ctx, Some("ada"), &["ada"]).await;
}

fn main() {}
