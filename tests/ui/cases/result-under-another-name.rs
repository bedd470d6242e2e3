#![allow(unused)]

use delay::Context;

type Outcome = Result<(), std::io::Error>;

#[delay::func("a")]
async fn a(ctx: &Context) -> Outcome {
    Ok(())
}

fn main() {}
