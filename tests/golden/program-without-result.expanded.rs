/// Queues calls of this program.
///
/// Thins out old pictures.
struct Thin;
impl Thin {
    /// Queues one call of this program; it is stored durably when this returns.
    async fn call(
        ctx: impl ::delay::Enqueue,
        days: impl ::core::iter::IntoIterator<Item = u32>,
    ) -> ::delay::Result<::delay::Handle<()>> {
        Self::task(days).add(ctx).await
    }
    /// A call of this program whose options can be set before it is added.
    fn task(
        days: impl ::core::iter::IntoIterator<Item = u32>,
    ) -> ::delay::TaskBuilder<()> {
        let call = ::delay::__private::Call::of::<Self>();
        call.rest("days", days).task()
    }
}
impl ::delay::Function for Thin {
    type Value = ();
    fn registration() -> &'static ::delay::__private::Registration {
        static PROGRAM: ::std::sync::LazyLock<::delay::__private::Program> = ::std::sync::LazyLock::new(||
        {
            let module: &[u8] = ::core::include_bytes!("thin.wasm");
            ::delay::__private::Program::from_bytes(module)
                .export("main")
                .fuel(1000000)
                .output(4096)
                .enqueues(["app/src/mail.rs:welcome"])
        });
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.thin.17db20ebcb20d2cc")
        )]
        static REGISTRATION: ::delay::__private::Registration = ::delay::__private::Registration {
            function: "global:thin",
            aliases: &[],
            place: ::delay::__private::Place::new("app", "0.1.0", "src/mail.rs", 12),
            known_path: true,
            parameters: &["days: Vec<u32>"],
            states: &[],
            options: ::delay::__private::Options {
                queue: "slow",
                ..::delay::__private::Options::DEFAULT
            },
            start: |ctx, mut arguments| {
                let days = arguments.optional::<Vec<u32>>("days", ::std::vec::Vec::new)?;
                let attempt = ::delay::__private::Packed::new(1)
                    .argument("days", &days)
                    .attempt(ctx, &PROGRAM)?;
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
::delay::__private::inventory::submit! {
    ::delay::__private::Entry(< Thin as ::delay::Function > ::registration)
}
