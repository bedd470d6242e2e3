#![allow(unused)]

use delay::Context;

#[delay::func("a")]
async fn a<T: serde::Serialize>(ctx: &Context, value: T) {}

#[delay::func("b")]
async fn b<const N: usize>(ctx: &Context, values: [u8; N]) {}

fn main() {}
