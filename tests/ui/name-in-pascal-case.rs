use delay::Context;

#[allow(non_snake_case)]
#[delay::func("a")]
async fn Welcome(ctx: &Context) {}

#[delay::func("b")]
async fn self_(ctx: &Context) {}

fn main() {}
