#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async unsafe extern "C" fn a(ctx: &Context, ...) {}

fn main() {}
