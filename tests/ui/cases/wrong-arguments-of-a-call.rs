#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a(ctx: &Context, count: u32, to: &str) {}

async fn enqueue(ctx: &Context) {
    let _ = A::call(ctx, 1).await;
    let _ = A::call(ctx, 1, "ada", true).await;
    let _ = A::call(ctx, "one", "ada").await;
}

fn main() {}
