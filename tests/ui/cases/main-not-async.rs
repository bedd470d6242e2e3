#![allow(unused)]

#[delay::main]
fn main() {}
