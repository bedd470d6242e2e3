/// Takes out the bin.
fn tidy(_: &Context) {
    take_out_the_bin();
}
/// Queues calls of [`tidy()`].
///
/// Takes out the bin.
struct Tidy;
impl Tidy {
    /// Queues one call of [`tidy()`]; it is stored durably when this returns.
    async fn call(ctx: impl ::delay::Enqueue) -> ::delay::Result<::delay::Handle<()>> {
        Self::task().add(ctx).await
    }
    /// A call of [`tidy()`] whose options can be set before it is added.
    fn task() -> ::delay::TaskBuilder<()> {
        let call = ::delay::__private::Call::of::<Self>();
        call.task()
    }
}
impl ::delay::Function for Tidy {
    type Value = ();
    fn registration() -> &'static ::delay::__private::Registration {
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.tidy.d53eedd422cf5473")
        )]
        static REGISTRATION: ::delay::__private::Registration = ::delay::__private::Registration {
            function: "app/src/mail.rs:tidy",
            aliases: &[],
            place: ::delay::__private::Place::new("app", "0.1.0", "src/mail.rs", 12),
            known_path: true,
            parameters: &[],
            states: &[],
            options: ::delay::__private::Options::DEFAULT,
            start: |ctx, arguments| {
                let attempt = ::delay::__private::Attempt::blocking(move || {
                    ::delay::__private::Returned::value(tidy(&ctx))
                });
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
::delay::__private::inventory::submit! {
    ::delay::__private::Entry(< Tidy as ::delay::Function > ::registration)
}
