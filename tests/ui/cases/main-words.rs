#![allow(unused)]

#[delay::main(flavour = "current_thread", worker_threads = 0)]
async fn main() {}
