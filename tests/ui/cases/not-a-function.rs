#![allow(unused)]

#[delay::func("a")]
struct A;

#[delay::func("b")]
const B: u32 = 1;

#[delay::func("c")]
mod c {}

fn uses_the_items(_: A) -> u32 {
    B
}

fn main() {}
