#[deprecated = "use pong"]
async fn ping(ctx: &Context, ctx2: u32, arguments: u32) {
    pong(ctx, ctx2, arguments).await
}
/// Queues calls of [`ping()`].
struct Ping;
impl Ping {
    /// Queues one call of [`ping()`]; it is stored durably when this returns.
    async fn call(
        ctx: impl crate::jobs::delay::Enqueue,
        ctx2: u32,
        arguments: u32,
    ) -> crate::jobs::delay::Result<crate::jobs::delay::Handle<()>> {
        Self::task(ctx2, arguments).add(ctx).await
    }
    /// A call of [`ping()`] whose options can be set before it is added.
    fn task(ctx2: u32, arguments: u32) -> crate::jobs::delay::TaskBuilder<()> {
        let call = crate::jobs::delay::__private::Call::of::<Self>();
        call.argument("ctx2", &ctx2).argument("arguments", &arguments).task()
    }
}
impl crate::jobs::delay::Function for Ping {
    type Value = ();
    #[allow(deprecated)]
    fn registration() -> &'static crate::jobs::delay::__private::Registration {
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.ping.6082d2debf605e2b")
        )]
        static REGISTRATION: crate::jobs::delay::__private::Registration = crate::jobs::delay::__private::Registration {
            function: "global:ping",
            aliases: &[],
            place: crate::jobs::delay::__private::Place::new(
                "app",
                "0.1.0",
                "src/mail.rs",
                12,
            ),
            known_path: true,
            parameters: &["ctx2: u32", "arguments: u32"],
            states: &[],
            options: crate::jobs::delay::__private::Options::DEFAULT,
            start: |ctx, mut arguments| {
                let ctx2 = arguments.required::<u32>("ctx2")?;
                let arguments = arguments.required::<u32>("arguments")?;
                let attempt = crate::jobs::delay::__private::Attempt::future(async move {
                    crate::jobs::delay::__private::Returned::value(
                        ping(&ctx, ctx2, arguments).await,
                    )
                });
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
crate::jobs::delay::__private::inventory::submit! {
    crate ::jobs::delay::__private::Entry(< Ping as crate ::jobs::delay::Function >
    ::registration)
}
