#[delay::func("nightly", cron = ["0 3 * * *", "0 12 * * SUN"], time_zone = "Europe/Berlin")]
async fn nightly(ctx: &Context, #[default = 10] pages: u32, #[default = false] dry: bool) {
    report(ctx, pages, dry).await;
}
