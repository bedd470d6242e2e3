#![allow(unused)]

use delay::Context;

#[delay::func("a", cron = "0 3 * * *", time_zone = "Europe/Berlim")]
async fn a(ctx: &Context) {}

#[delay::func("b", cron = "0 3 * * *", time_zone = "local")]
async fn b(ctx: &Context) {}

fn main() {}
