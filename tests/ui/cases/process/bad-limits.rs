//! Sizes and times that are none.

use delay::Context;

#[delay::func("a", isolate = process, memory = 256)]
async fn a(_ctx: &Context) {}

#[delay::func("b", isolate = process, memory = "256mb")]
async fn b(_ctx: &Context) {}

#[delay::func("c", isolate = process, memory = "1MiB")]
async fn c(_ctx: &Context) {}

#[delay::func("d", isolate = process, cpu = "30")]
async fn d(_ctx: &Context) {}

#[delay::func("e", isolate = process, cpu = "0s")]
async fn e(_ctx: &Context) {}

#[delay::func("f", isolate = proces)]
async fn f(_ctx: &Context) {}

#[delay::func("g", isolate)]
async fn g(_ctx: &Context) {}

#[delay::func("h", isolate = "process")]
async fn h(_ctx: &Context) {}

fn main() {}
