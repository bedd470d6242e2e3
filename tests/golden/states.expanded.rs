async fn import(
    ctx: &Context,
    db: &Pool,
    url: &str,
    client: Client,
) -> anyhow::Result<usize> {
    load(ctx, db, url, client).await
}
/// Queues calls of [`import()`].
struct Import;
impl Import {
    /// Queues one call of [`import()`]; it is stored durably when this returns.
    async fn call(
        ctx: impl ::delay::Enqueue,
        url: &str,
    ) -> ::delay::Result<::delay::Handle<usize>> {
        Self::task(url).add(ctx).await
    }
    /// A call of [`import()`] whose options can be set before it is added.
    fn task(url: &str) -> ::delay::TaskBuilder<usize> {
        let call = ::delay::__private::Call::of::<Self>();
        call.argument("url", url).task()
    }
}
impl ::delay::Function for Import {
    type Value = usize;
    fn registration() -> &'static ::delay::__private::Registration {
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.import.b12d48fd0a2e93da")
        )]
        static REGISTRATION: ::delay::__private::Registration = ::delay::__private::Registration {
            function: "app/src/mail.rs:import",
            aliases: &[],
            place: ::delay::__private::Place::new("app", "0.1.0", "src/mail.rs", 12),
            known_path: true,
            parameters: &["url: &str"],
            states: &[
                ::delay::__private::State::of::<Pool>(),
                ::delay::__private::State::of::<Client>(),
            ],
            options: ::delay::__private::Options {
                keep_result: ::core::option::Option::Some(
                    ::core::time::Duration::from_secs(3600),
                ),
                ..::delay::__private::Options::DEFAULT
            },
            start: |ctx, mut arguments| {
                let url = arguments.required::<::std::string::String>("url")?;
                let attempt = ::delay::__private::Attempt::future(async move {
                    let db: &Pool = ::delay::__private::state::<Pool>(&ctx);
                    let client: Client = ::core::clone::Clone::clone(
                        ::delay::__private::state::<Client>(&ctx),
                    );
                    ::delay::__private::Returned::keep_result(
                        import(&ctx, db, &url, client).await,
                    )
                });
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
::delay::__private::inventory::submit! {
    ::delay::__private::Entry(< Import as ::delay::Function > ::registration)
}
