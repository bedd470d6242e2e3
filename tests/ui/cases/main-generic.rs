#![allow(unused)]

#[delay::main]
async fn main<T>() {}
