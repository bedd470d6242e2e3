#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a(ctx: &Context) {
    let local = std::rc::Rc::new(1);
    std::future::ready(()).await;
    drop(local);
}

fn main() {}
