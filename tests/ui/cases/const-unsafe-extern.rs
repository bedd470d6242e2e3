#![allow(unused)]

use delay::Context;

#[delay::func("a")]
const fn a(ctx: &Context) {}

#[delay::func("b")]
async unsafe fn b(ctx: &Context) {}

#[delay::func("c")]
extern "C" fn c(ctx: &Context) {}

fn main() {}
