#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a(ctx: &Context, #[rest] xs: Vec<u32>, last: u32) {}

#[delay::func("b")]
async fn b(ctx: &Context, #[rest] xs: Vec<u32>, #[rest] ys: Vec<u32>) {}

#[delay::func("c")]
async fn c(ctx: &Context, #[rest] xs: Option<u32>) {}

#[delay::func("d")]
async fn d(ctx: &Context, #[rest] #[default] xs: Vec<u32>) {}

#[delay::func("e")]
async fn e(ctx: &Context, #[rest = 3] xs: Vec<u32>) {}

fn main() {}
