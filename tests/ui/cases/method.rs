#![allow(unused)]

use delay::Context;

struct Mailer;

impl Mailer {
    #[delay::func("a")]
    async fn a(&self, ctx: &Context) {}
}

fn main() {}
