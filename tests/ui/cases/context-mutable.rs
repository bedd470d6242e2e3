#![allow(unused)]

use delay::Context;

#[delay::func("welcome")]
async fn welcome(ctx: &mut Context, to: String) {}

fn main() {}
