#[delay::func("broken", quue = "mail", timeout = "soon")]
async fn broken(ctx: &Context, #[defualt] name: Option<&str>, count: u32) -> Result<(), MailError> {
    Ok(())
}

#[delay::func("shape")]
struct Shape;
