#![allow(unused)]

use delay::Context;

#[delay::func("a", cron = "0 3 * * *", time_zone = "Europe/Berlin")]
async fn a(ctx: &Context) {}

fn main() {}
