#![allow(unused)]

use delay::Context;

#[delay::func("a", time_zone = "Europe/Berlin")]
async fn a(ctx: &Context) {}

fn main() {}
