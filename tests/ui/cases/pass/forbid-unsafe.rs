//! The expansion has no `unsafe` that the user's crate would have to allow.
#![forbid(unsafe_code)]

use delay::Context;

#[delay::func("a")]
async fn a(_ctx: &Context, _to: &str) {}

#[delay::func("b")]
static BB: _ = |_ctx: &Context, _count: u32| {};

fn main() {}
