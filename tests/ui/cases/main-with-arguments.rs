#![allow(unused)]

#[delay::main]
async fn main(arguments: Vec<String>) {}
