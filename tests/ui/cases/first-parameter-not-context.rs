#![allow(unused)]

#[delay::func("welcome")]
async fn welcome(to: String) {}

async fn enqueue(rt: &delay::Client) {
    let _ = Welcome::call(rt, "ada".to_owned()).await;
}

fn main() {}
