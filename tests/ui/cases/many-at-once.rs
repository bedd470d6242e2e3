#![allow(unused)]

use delay::Context;

#[delay::func("welcome", queue = "my queue", timeout = "soon", quue = "mail", retry(limits = 3))]
const async unsafe fn welcome(ctx: &mut Context, to: Option<&str>, (a, b): (u32, u32), #[defualt] n: u32) {}

async fn uses_the_item() {
    let _ = welcome;
}

fn main() {}
