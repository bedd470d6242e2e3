async fn resize(
    ctx: &Context,
    file: String,
    title: Option<String>,
    quality: u8,
    sizes: &[u32],
    tags: Vec<String>,
) {
    draw(ctx, file, title, quality, sizes, tags).await;
}
/// Queues calls of [`resize()`].
struct Resize;
impl Resize {
    /// Queues one call of [`resize()`]; it is stored durably when this returns.
    async fn call(
        ctx: impl ::delay::Enqueue,
        file: String,
        title: Option<String>,
        quality: u8,
        sizes: &[u32],
        tags: impl ::core::iter::IntoIterator<Item = String>,
    ) -> ::delay::Result<::delay::Handle<()>> {
        Self::task(file, title, quality, sizes, tags).add(ctx).await
    }
    /// A call of [`resize()`] whose options can be set before it is added.
    fn task(
        file: String,
        title: Option<String>,
        quality: u8,
        sizes: &[u32],
        tags: impl ::core::iter::IntoIterator<Item = String>,
    ) -> ::delay::TaskBuilder<()> {
        let call = ::delay::__private::Call::of::<Self>();
        call.argument("file", &file)
            .argument("title", &title)
            .argument("quality", &quality)
            .argument("sizes", sizes)
            .rest("tags", tags)
            .task()
    }
}
impl ::delay::Function for Resize {
    type Value = ();
    fn registration() -> &'static ::delay::__private::Registration {
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.resize.e3cc92e366cd0973")
        )]
        static REGISTRATION: ::delay::__private::Registration = ::delay::__private::Registration {
            function: "app/src/mail.rs:resize",
            aliases: &[],
            place: ::delay::__private::Place::new("app", "0.1.0", "src/mail.rs", 12),
            known_path: true,
            parameters: &[
                "file: String",
                "title: Option<String>",
                "quality: u8",
                "sizes: &[u32]",
                "tags: Vec<String>",
            ],
            states: &[],
            options: ::delay::__private::Options::DEFAULT,
            start: |ctx, mut arguments| {
                arguments.rename("image", "file");
                arguments.rename("picture", "file");
                arguments.rename("photo", "file");
                let file = arguments.required::<String>("file")?;
                let title = arguments
                    .optional::<
                        Option<String>,
                    >("title", ::core::default::Default::default)?;
                let quality = arguments.optional::<u8>("quality", || 85)?;
                let sizes = arguments
                    .optional::<::std::vec::Vec<u32>>("sizes", || vec![320, 640])?;
                let tags = arguments
                    .optional::<Vec<String>>("tags", ::std::vec::Vec::new)?;
                let attempt = ::delay::__private::Attempt::future(async move {
                    ::delay::__private::Returned::value(
                        resize(&ctx, file, title, quality, &sizes, tags).await,
                    )
                });
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
::delay::__private::inventory::submit! {
    ::delay::__private::Entry(< Resize as ::delay::Function > ::registration)
}
