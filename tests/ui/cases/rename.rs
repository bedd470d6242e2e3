#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a(ctx: &Context, first: u32, #[rename_from = "first"] second: u32) {}

#[delay::func("b")]
async fn b(ctx: &Context, #[rename_from = "old"] first: u32, #[rename_from = "old"] second: u32) {}

#[delay::func("c", removed("old", "first"))]
async fn c(ctx: &Context, #[rename_from = "old"] first: u32) {}

#[delay::func("d")]
async fn d(ctx: &Context, #[rename_from] first: u32) {}

fn main() {}
