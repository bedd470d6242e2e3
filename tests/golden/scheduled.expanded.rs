async fn nightly(ctx: &Context, pages: u32, dry: bool) {
    report(ctx, pages, dry).await;
}
/// Queues calls of [`nightly()`].
struct Nightly;
impl Nightly {
    /// Queues one call of [`nightly()`]; it is stored durably when this returns.
    async fn call(
        ctx: impl ::delay::Enqueue,
        pages: u32,
        dry: bool,
    ) -> ::delay::Result<::delay::Handle<()>> {
        Self::task(pages, dry).add(ctx).await
    }
    /// A call of [`nightly()`] whose options can be set before it is added.
    fn task(pages: u32, dry: bool) -> ::delay::TaskBuilder<()> {
        let call = ::delay::__private::Call::of::<Self>();
        call.argument("pages", &pages).argument("dry", &dry).task()
    }
}
impl ::delay::Function for Nightly {
    type Value = ();
    fn registration() -> &'static ::delay::__private::Registration {
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.nightly.e161957b2537c3e2")
        )]
        static REGISTRATION: ::delay::__private::Registration = ::delay::__private::Registration {
            function: "app/src/mail.rs:nightly",
            aliases: &[],
            place: ::delay::__private::Place::new("app", "0.1.0", "src/mail.rs", 12),
            known_path: true,
            parameters: &["pages: u32", "dry: bool"],
            states: &[],
            options: ::delay::__private::Options::DEFAULT
                .cron(&["0 3 * * *", "0 12 * * SUN"], "Europe/Berlin"),
            start: |ctx, mut arguments| {
                let pages = arguments.optional::<u32>("pages", || 10)?;
                let dry = arguments.optional::<bool>("dry", || false)?;
                let attempt = ::delay::__private::Attempt::future(async move {
                    ::delay::__private::Returned::value(nightly(&ctx, pages, dry).await)
                });
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
::delay::__private::inventory::submit! {
    ::delay::__private::Entry(< Nightly as ::delay::Function > ::registration)
}
