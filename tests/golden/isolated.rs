#[delay::func("transcode", isolate = process, memory = "256MiB", cpu = "30s", timeout = "2m")]
fn transcode(ctx: &Context, movie: Vec<u8>) -> Vec<u8> {
    encode(ctx, movie)
}

#[delay::func("thumbnail", isolate = process)]
async fn thumbnail(ctx: &Context) {
    draw(ctx).await;
}
