fn count(_ctx: &Context, mut words: Vec<String>) -> usize {
    words.dedup();
    words.len()
}
/// Queues calls of [`count()`].
struct Count;
impl Count {
    /// Queues one call of [`count()`]; it is stored durably when this returns.
    async fn call(
        ctx: impl ::delay::Enqueue,
        words: Vec<String>,
    ) -> ::delay::Result<::delay::Handle<usize>> {
        Self::task(words).add(ctx).await
    }
    /// A call of [`count()`] whose options can be set before it is added.
    fn task(words: Vec<String>) -> ::delay::TaskBuilder<usize> {
        let call = ::delay::__private::Call::of::<Self>();
        call.argument("words", &words).task()
    }
}
impl ::delay::Function for Count {
    type Value = usize;
    fn registration() -> &'static ::delay::__private::Registration {
        use ::delay::__private::PlainValue as _;
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.count.c66976dcce704e00")
        )]
        static REGISTRATION: ::delay::__private::Registration = ::delay::__private::Registration {
            function: "app/src/mail.rs:count",
            aliases: &[],
            place: ::delay::__private::Place::new("app", "0.1.0", "src/mail.rs", 12),
            known_path: true,
            parameters: &["words: Vec<String>"],
            states: &[],
            options: ::delay::__private::Options {
                keep_result: ::core::option::Option::Some(
                    ::core::time::Duration::from_secs(600),
                ),
                ..::delay::__private::Options::DEFAULT
            },
            start: |ctx, mut arguments| {
                let words = arguments.required::<Vec<String>>("words")?;
                let attempt = ::delay::__private::Attempt::blocking(move || {
                    ::delay::__private::Plain(count(&ctx, words)).keep()
                });
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
::delay::__private::inventory::submit! {
    ::delay::__private::Entry(< Count as ::delay::Function > ::registration)
}
