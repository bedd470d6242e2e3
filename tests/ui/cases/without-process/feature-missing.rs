//! The words of processes, in a build without them.

use delay::Context;

#[delay::func("transcode", isolate = process, memory = "256MiB")]
async fn transcode(_ctx: &Context) {}

fn main() {}
