#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a(ctx: &Context) -> ! {
    loop {}
}

fn main() {}
