#![allow(unused)]

use delay::Context;

#[delay::func]
async fn a(ctx: &Context) {}

#[delay::func(queue = "mail")]
async fn b(ctx: &Context) {}

fn main() {}
