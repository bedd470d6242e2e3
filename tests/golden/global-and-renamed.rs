#[delay::func(global = "ping", crate = crate::jobs::delay)]
#[deprecated = "use pong"]
async fn ping(ctx: &Context, ctx2: u32, arguments: u32) {
    pong(ctx, ctx2, arguments).await
}
