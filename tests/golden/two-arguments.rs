#[delay::func("welcome-email")]
pub async fn welcome(ctx: &Context, to: &str, copies: u32) -> Result<(), MailError> {
    send(ctx, to, copies).await
}
