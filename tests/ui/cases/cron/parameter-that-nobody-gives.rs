#![allow(unused)]

use delay::Context;

#[delay::func("a", cron = "0 3 * * *")]
async fn a(ctx: &Context, tenant: String, #[default] dry: bool, #[state] pool: &u32, pages: &[u32]) {}

fn main() {}
