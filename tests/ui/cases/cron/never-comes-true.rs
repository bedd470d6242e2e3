#![allow(unused)]

use delay::Context;

#[delay::func("a", cron = "0 0 30 2 *")]
async fn a(ctx: &Context) {}

fn main() {}
