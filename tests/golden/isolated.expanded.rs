fn transcode(ctx: &Context, movie: Vec<u8>) -> Vec<u8> {
    encode(ctx, movie)
}
/// Queues calls of [`transcode()`].
struct Transcode;
impl Transcode {
    /// Queues one call of [`transcode()`]; it is stored durably when this returns.
    async fn call(
        ctx: impl ::delay::Enqueue,
        movie: Vec<u8>,
    ) -> ::delay::Result<::delay::Handle<()>> {
        Self::task(movie).add(ctx).await
    }
    /// A call of [`transcode()`] whose options can be set before it is added.
    fn task(movie: Vec<u8>) -> ::delay::TaskBuilder<()> {
        let call = ::delay::__private::Call::of::<Self>();
        call.argument("movie", &movie).task()
    }
}
impl ::delay::Function for Transcode {
    type Value = ();
    fn registration() -> &'static ::delay::__private::Registration {
        use ::delay::__private::PlainValue as _;
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.transcode.3ea31c6f574e7040")
        )]
        static REGISTRATION: ::delay::__private::Registration = ::delay::__private::Registration {
            function: "app/src/mail.rs:transcode",
            aliases: &[],
            place: ::delay::__private::Place::new("app", "0.1.0", "src/mail.rs", 12),
            known_path: true,
            parameters: &["movie: Vec<u8>"],
            states: &[],
            options: ::delay::__private::Options {
                timeout: ::core::option::Option::Some(
                    ::core::time::Duration::from_secs(120),
                ),
                ..::delay::__private::Options::DEFAULT
                    .isolate(
                        ::core::option::Option::Some(268435456),
                        ::core::option::Option::Some(
                            ::core::time::Duration::from_secs(30),
                        ),
                    )
            },
            start: |ctx, mut arguments| {
                let movie = arguments.required::<Vec<u8>>("movie")?;
                let attempt = ::delay::__private::Attempt::blocking(move || {
                    ::delay::__private::Plain(transcode(&ctx, movie)).returned()
                });
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
::delay::__private::inventory::submit! {
    ::delay::__private::Entry(< Transcode as ::delay::Function > ::registration)
}
async fn thumbnail(ctx: &Context) {
    draw(ctx).await;
}
/// Queues calls of [`thumbnail()`].
struct Thumbnail;
impl Thumbnail {
    /// Queues one call of [`thumbnail()`]; it is stored durably when this returns.
    async fn call(ctx: impl ::delay::Enqueue) -> ::delay::Result<::delay::Handle<()>> {
        Self::task().add(ctx).await
    }
    /// A call of [`thumbnail()`] whose options can be set before it is added.
    fn task() -> ::delay::TaskBuilder<()> {
        let call = ::delay::__private::Call::of::<Self>();
        call.task()
    }
}
impl ::delay::Function for Thumbnail {
    type Value = ();
    fn registration() -> &'static ::delay::__private::Registration {
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.thumbnail.1373aa6c938e936f")
        )]
        static REGISTRATION: ::delay::__private::Registration = ::delay::__private::Registration {
            function: "app/src/mail.rs:thumbnail",
            aliases: &[],
            place: ::delay::__private::Place::new("app", "0.1.0", "src/mail.rs", 12),
            known_path: true,
            parameters: &[],
            states: &[],
            options: ::delay::__private::Options::DEFAULT
                .isolate(::core::option::Option::None, ::core::option::Option::None),
            start: |ctx, arguments| {
                let attempt = ::delay::__private::Attempt::future(async move {
                    ::delay::__private::Returned::value(thumbnail(&ctx).await)
                });
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
::delay::__private::inventory::submit! {
    ::delay::__private::Entry(< Thumbnail as ::delay::Function > ::registration)
}
