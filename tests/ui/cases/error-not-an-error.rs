#![allow(unused)]

use delay::Context;

struct Broken;

#[delay::func("a")]
async fn a(ctx: &Context) -> Result<(), Broken> {
    Err(Broken)
}

fn main() {}
