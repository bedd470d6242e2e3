#![allow(unused)]

use delay::Context;

struct Pool;

#[delay::func("a")]
async fn a(ctx: &Context, #[state] #[default] db: &Pool) {}

#[delay::func("b")]
async fn b(ctx: &Context, #[state] #[rename_from = "old"] db: &Pool) {}

#[delay::func("c")]
async fn c(ctx: &Context, #[state] name: &str, #[state] db: &mut Pool) {}

#[delay::func("d")]
async fn d(#[state] ctx: &Context) {}

fn main() {}
