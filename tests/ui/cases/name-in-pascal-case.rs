#![allow(unused)]

use delay::Context;

#[allow(non_snake_case)]
#[delay::func("a")]
async fn Welcome(ctx: &Context) {}

#[delay::func("b")]
async fn self_(ctx: &Context) {}

#[delay::func("c")]
static C: _ = async |ctx: &Context| {};

fn main() {}
