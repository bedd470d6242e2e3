#![allow(unused)]

use delay::Context;

struct Pool;

#[delay::func("a")]
async fn a(ctx: &Context, #[state] db: Pool) {}

fn main() {}
