//! What both programs know: `webapp` runs it, `dispatcher` sends calls of it.

use delay::Context;

/// In the queue `mail`, whose tasks `dispatcher` sends to `webapp`.
#[delay::func("welcome", queue = "mail")]
pub(crate) async fn welcome(ctx: &Context, to: &str) {
    let from = ctx.headers().get("sent-by").unwrap_or("this program");
    println!("Dear {to}, welcome! (queue {}, attempt {}, by {from})", ctx.queue(), ctx.attempt());
}
