#![allow(unused)]

use delay::Context;

#[derive(serde::Serialize, serde::Deserialize)]
struct Receipt;

#[delay::func("a", keep_result = "1d")]
async fn receipt(ctx: &Context) -> Receipt {
    Receipt
}

fn main() {}
