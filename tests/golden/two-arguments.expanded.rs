pub async fn mail(ctx: &Context, to: &str, copies: u32) -> Result<(), MailError> {
    send(ctx, to, copies).await
}
/// Queues calls of [`mail()`].
pub struct Mail;
impl Mail {
    /// Queues one call of [`mail()`]; it is stored durably when this returns.
    pub async fn call(
        ctx: impl ::delay::Enqueue,
        to: &str,
        copies: u32,
    ) -> ::delay::Result<::delay::Handle<()>> {
        Self::task(to, copies).add(ctx).await
    }
    /// A call of [`mail()`] whose options can be set before it is added.
    pub fn task(to: &str, copies: u32) -> ::delay::TaskBuilder<()> {
        let call = ::delay::__private::Call::of::<Self>();
        call.argument("to", to).argument("copies", &copies).task()
    }
}
impl ::delay::Function for Mail {
    type Value = ();
    fn registration() -> &'static ::delay::__private::Registration {
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.mail.733e10dc8b92df80")
        )]
        static REGISTRATION: ::delay::__private::Registration = ::delay::__private::Registration {
            function: "app/src/mail.rs:mail",
            aliases: &[],
            place: ::delay::__private::Place::new("app", "0.1.0", "src/mail.rs", 12),
            known_path: true,
            parameters: &["to: &str", "copies: u32"],
            states: &[],
            options: ::delay::__private::Options::DEFAULT,
            start: |ctx, mut arguments| {
                let to = arguments.required::<::std::string::String>("to")?;
                let copies = arguments.required::<u32>("copies")?;
                let attempt = ::delay::__private::Attempt::future(async move {
                    ::delay::__private::Returned::result(mail(&ctx, &to, copies).await)
                });
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
::delay::__private::inventory::submit! {
    ::delay::__private::Entry(< Mail as ::delay::Function > ::registration)
}
