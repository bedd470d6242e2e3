#![allow(unused)]

use delay::Context;

#[delay::func("welcome")]
async fn welcome(ctx: Context, to: String) {}

fn main() {}
