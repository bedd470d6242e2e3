#![allow(unused)]

use delay::Context;

#[delay::func("welcome", quue = "mail", colour = "red")]
async fn welcome(ctx: &Context) {}

fn main() {}
