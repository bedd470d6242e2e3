#![allow(unused)]

use delay::Client;

fn outside(client: &Client) {
    let _ = client.headers();
}

fn main() {}
