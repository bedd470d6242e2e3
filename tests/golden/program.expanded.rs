/// Queues calls of this program.
pub(crate) struct Report;
impl Report {
    /// Queues one call of this program; it is stored durably when this returns.
    pub(crate) async fn call(
        ctx: impl ::delay::Enqueue,
        title: &str,
        rows: u32,
    ) -> ::delay::Result<::delay::Handle<String>> {
        Self::task(title, rows).add(ctx).await
    }
    /// A call of this program whose options can be set before it is added.
    pub(crate) fn task(title: &str, rows: u32) -> ::delay::TaskBuilder<String> {
        let call = ::delay::__private::Call::of::<Self>();
        call.argument("title", title).argument("rows", &rows).task()
    }
}
impl ::delay::Function for Report {
    type Value = String;
    fn registration() -> &'static ::delay::__private::Registration {
        static PROGRAM: ::std::sync::LazyLock<::delay::__private::Program> = ::std::sync::LazyLock::new(||
        {
            let module: &[u8] = ::core::include_bytes!("report.wasm");
            ::delay::__private::Program::from_bytes(module)
                .suspendable(true)
                .checkpoint_every(::core::time::Duration::from_secs(10))
                .memory(33554432)
        });
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.report.20963bf942e04e91")
        )]
        static REGISTRATION: ::delay::__private::Registration = ::delay::__private::Registration {
            function: "app/src/mail.rs:report",
            aliases: &[],
            place: ::delay::__private::Place::new("app", "0.1.0", "src/mail.rs", 12),
            known_path: true,
            parameters: &["title: &str", "rows: u32"],
            states: &[],
            options: ::delay::__private::Options {
                keep_result: ::core::option::Option::Some(
                    ::core::time::Duration::from_secs(86400),
                ),
                ..::delay::__private::Options::DEFAULT
            },
            start: |ctx, mut arguments| {
                let title = arguments.required::<::std::string::String>("title")?;
                let rows = arguments.optional::<u32>("rows", || 100)?;
                let attempt = ::delay::__private::Packed::new(2)
                    .argument("title", &title)
                    .argument("rows", &rows)
                    .keep(ctx, &PROGRAM)?;
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
::delay::__private::inventory::submit! {
    ::delay::__private::Entry(< Report as ::delay::Function > ::registration)
}
