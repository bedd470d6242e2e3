//! State lives in the worker.

use delay::Context;

#[derive(Clone)]
struct Pool;

#[delay::func("transcode", isolate = process)]
async fn transcode(_ctx: &Context, movie: String, #[state] _pool: &Pool) {
    drop(movie);
}

fn main() {}
