//! The ten lines of the README: a function, a store, a runtime.
//!
//! `cargo run --example quickstart`, and ctrl-c to stop it.

use delay::Context;

#[delay::func("welcome-email")]
async fn welcome(ctx: &Context, to: String) {
    println!("Dear {to}, welcome! (task {}, attempt {})", ctx.task(), ctx.attempt());
}

#[delay::main]
async fn main() -> delay::Result<()> {
    let store = std::env::var("DELAY_STORE").unwrap_or_else(|_| "sqlite:delay.db".into());
    let rt = delay::Runtime::open(store).await?;
    Welcome::call(&rt, "ada@example.com".into()).await?; // on disk when this returns
    rt.run().await // works until SIGTERM or ctrl-c, then drains
}
