#[delay::func("resize")]
async fn resize(
    ctx: &Context,
    #[rename_from = "image"]
    #[rename_from("picture", "photo")]
    file: String,
    #[default] title: Option<String>,
    #[default = 85] quality: u8,
    #[default(vec![320, 640])] sizes: &[u32],
    #[rest] tags: Vec<String>,
) {
    draw(ctx, file, title, quality, sizes, tags).await;
}
