#[delay::func("import", keep_result = "1h")]
async fn import(ctx: &Context, #[state] db: &Pool, url: &str, #[state] client: Client) -> anyhow::Result<usize> {
    load(ctx, db, url, client).await
}
