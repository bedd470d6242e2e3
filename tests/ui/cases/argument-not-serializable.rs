#![allow(unused)]

use delay::Context;

struct Order;

#[delay::func("a")]
async fn a(ctx: &Context, count: u32, order: Order) {}

fn main() {}
