#![allow(unused)]

use delay::Context;

#[delay::func("a", cron = "0 3 * *")]
async fn a(ctx: &Context) {}

#[delay::func("b", cron = "0 25 * * *")]
async fn b(ctx: &Context) {}

#[delay::func("c", cron = "every day at three")]
async fn c(ctx: &Context) {}

#[delay::func("d", cron = ["0 9 * * MON-FRI", "0 9 * * SAM"])]
async fn d(ctx: &Context) {}

#[delay::func("e", cron = [])]
async fn e(ctx: &Context) {}

#[delay::func("f", cron = 3)]
async fn f(ctx: &Context) {}

fn main() {}
