#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a(ctx: &Context, #[defualt] x: u32, #[rename_form = "y"] z: u32) {}

fn main() {}
