async fn report(
    ctx: &Context,
    to: &str,
    lines: &[Line],
    file: &Path,
    style: &Style,
    raw: &std::ffi::OsStr,
    r#type: u32,
) -> io::Result<()> {
    write(ctx, to, lines, file, style, raw, r#type).await
}
/// Queues calls of [`report()`].
struct Report;
impl Report {
    /// Queues one call of [`report()`]; it is stored durably when this returns.
    async fn call(
        ctx: impl ::delay::Enqueue,
        to: &str,
        lines: &[Line],
        file: &Path,
        style: &Style,
        raw: &std::ffi::OsStr,
        r#type: u32,
    ) -> ::delay::Result<::delay::Handle<()>> {
        Self::task(to, lines, file, style, raw, r#type).add(ctx).await
    }
    /// A call of [`report()`] whose options can be set before it is added.
    fn task(
        to: &str,
        lines: &[Line],
        file: &Path,
        style: &Style,
        raw: &std::ffi::OsStr,
        r#type: u32,
    ) -> ::delay::TaskBuilder<()> {
        let call = ::delay::__private::Call::of::<Self>();
        call.argument("to", to)
            .argument("lines", lines)
            .argument("file", file)
            .argument("style", style)
            .argument("raw", raw)
            .argument("type", &r#type)
            .task()
    }
}
impl ::delay::Function for Report {
    type Value = ();
    fn registration() -> &'static ::delay::__private::Registration {
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.report.20963bf942e04e91")
        )]
        static REGISTRATION: ::delay::__private::Registration = ::delay::__private::Registration {
            function: "app/src/mail.rs:report",
            aliases: &[],
            place: ::delay::__private::Place::new("app", "0.1.0", "src/mail.rs", 12),
            known_path: true,
            parameters: &[
                "to: &str",
                "lines: &[Line]",
                "file: &Path",
                "style: &Style",
                "raw: &std::ffi::OsStr",
                "type: u32",
            ],
            states: &[],
            options: ::delay::__private::Options::DEFAULT,
            start: |ctx, mut arguments| {
                let to = arguments.required::<::std::string::String>("to")?;
                let lines = arguments.required::<::std::vec::Vec<Line>>("lines")?;
                let file = arguments
                    .required::<<Path as ::std::borrow::ToOwned>::Owned>("file")?;
                let style = arguments.required::<Style>("style")?;
                let raw = arguments
                    .required::<
                        <std::ffi::OsStr as ::std::borrow::ToOwned>::Owned,
                    >("raw")?;
                let r#type = arguments.required::<u32>("type")?;
                let attempt = ::delay::__private::Attempt::future(async move {
                    ::delay::__private::Returned::result(
                        report(&ctx, &to, &lines, &file, &style, &raw, r#type).await,
                    )
                });
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
::delay::__private::inventory::submit! {
    ::delay::__private::Entry(< Report as ::delay::Function > ::registration)
}
