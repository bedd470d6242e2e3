/// Queues calls of [`static@GREET`].
///
/// Says hello.
pub struct Greet;
/// Says hello.
pub static GREET: Greet = Greet;
impl Greet {
    /// Queues one call of [`static@GREET`]; it is stored durably when this returns.
    pub async fn call(
        &self,
        ctx: impl ::delay::Enqueue,
        name: String,
    ) -> ::delay::Result<::delay::Handle<()>> {
        self.task(name).add(ctx).await
    }
    /// A call of [`static@GREET`] whose options can be set before it is added.
    pub fn task(&self, name: String) -> ::delay::TaskBuilder<()> {
        let call = ::delay::__private::Call::of::<Self>();
        call.argument("name", &name).task()
    }
}
impl ::delay::Function for Greet {
    type Value = ();
    fn registration() -> &'static ::delay::__private::Registration {
        #[allow(clippy::print_stdout)]
        async fn greet(ctx: &Context, name: String) -> Result<(), MailError> {
            println!("hello, {name}");
            Ok(())
        }
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.greet.6809cb8874707f76")
        )]
        static REGISTRATION: ::delay::__private::Registration = ::delay::__private::Registration {
            function: "app/src/mail.rs:greet",
            aliases: &[],
            place: ::delay::__private::Place::new("app", "0.1.0", "src/mail.rs", 12),
            known_path: true,
            parameters: &["name: String"],
            states: &[],
            options: ::delay::__private::Options::DEFAULT,
            start: |ctx, mut arguments| {
                let name = arguments.required::<String>("name")?;
                let attempt = ::delay::__private::Attempt::future(async move {
                    ::delay::__private::Returned::result(greet(&ctx, name).await)
                });
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
::delay::__private::inventory::submit! {
    ::delay::__private::Entry(< Greet as ::delay::Function > ::registration)
}
