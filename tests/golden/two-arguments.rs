#[delay::func("mail")]
pub async fn mail(ctx: &Context, to: &str, copies: u32) -> Result<(), MailError> {
    send(ctx, to, copies).await
}
