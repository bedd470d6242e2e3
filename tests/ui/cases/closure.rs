#![allow(unused)]

use delay::Context;

#[delay::func("a")]
static UNTYPED: _ = async |ctx: &Context, name| {};

#[delay::func("b")]
static TYPED: fn() = async |ctx: &Context, name: String| {};

#[delay::func("c")]
static NUMBER: u32 = 5;

#[delay::func("d")]
static mut MUTABLE: _ = async |ctx: &Context| {};

async fn enqueue(ctx: &Context) {
    let _ = TYPED.call(ctx, "ada".to_owned()).await;
}

fn main() {}
