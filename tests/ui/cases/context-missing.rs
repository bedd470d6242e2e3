#![allow(unused)]

#[delay::func("welcome")]
async fn welcome() {}

fn main() {}
