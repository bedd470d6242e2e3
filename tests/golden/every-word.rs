#[delay::func(
    "invoice",
    queue = "mail",
    priority = -3,
    retry(limit = 5, age_limit = "2d", min_backoff = "1.5s", max_backoff = "1h", max_doublings = 4),
    timeout = "2m",
    keep_result = "1d",
    aliases = ["src/old.rs:invoice", "billing/src/mail.rs:invoice", "global:invoice"],
    removed("currency", "vat"),
)]
pub(crate) async fn invoice(ctx: &delay::Context, order: Order) -> Result<Receipt, MailError> {
    print(ctx, order).await
}
