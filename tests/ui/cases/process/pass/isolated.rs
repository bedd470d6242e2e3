//! A function in a process of its own, with limits and without.

use std::time::Duration;

use delay::{Context, Function as _};

#[delay::func("limited", isolate = process, memory = "256MiB", cpu = "1500ms", timeout = "2m", queue = "heavy")]
fn limited(_ctx: &Context, bytes: &[u8]) -> usize {
    bytes.len()
}

#[delay::func("unlimited", isolate = process)]
async fn unlimited(_ctx: &Context) {}

#[delay::func("plain")]
async fn plain(_ctx: &Context) {}

fn main() {
    let isolate = Limited::registration().options.isolate.expect("it is isolated");
    assert_eq!((isolate.memory, isolate.cpu), (Some(256 << 20), Some(Duration::from_millis(1500))));
    let isolate = Unlimited::registration().options.isolate.expect("it is isolated");
    assert_eq!((isolate.memory, isolate.cpu), (None, None));
    assert!(Plain::registration().options.isolate.is_none());
}
