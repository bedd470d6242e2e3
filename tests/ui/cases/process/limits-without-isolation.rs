//! Limits belong to a process.

use delay::Context;

#[delay::func("transcode", memory = "256MiB", cpu = "30s")]
async fn transcode(_ctx: &Context) {}

fn main() {}
