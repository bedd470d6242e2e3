#![allow(unused)]

use delay::Context;

#[delay::func("a")]
fn a(ctx: &Context) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async {})
}

fn main() {}
