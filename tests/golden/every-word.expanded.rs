pub(crate) async fn invoice(
    ctx: &delay::Context,
    order: Order,
) -> Result<Receipt, MailError> {
    print(ctx, order).await
}
/// Queues calls of [`invoice()`].
pub(crate) struct Invoice;
impl Invoice {
    /// Queues one call of [`invoice()`]; it is stored durably when this returns.
    pub(crate) async fn call(
        ctx: impl ::delay::Enqueue,
        order: Order,
    ) -> ::delay::Result<::delay::Handle<Receipt>> {
        Self::task(order).add(ctx).await
    }
    /// A call of [`invoice()`] whose options can be set before it is added.
    pub(crate) fn task(order: Order) -> ::delay::TaskBuilder<Receipt> {
        let call = ::delay::__private::Call::of::<Self>();
        call.argument("order", &order).task()
    }
}
impl ::delay::Function for Invoice {
    type Value = Receipt;
    fn registration() -> &'static ::delay::__private::Registration {
        #[cfg_attr(
            not(test),
            unsafe(export_name = "delay_func_key.invoice.ac369d75df11fa6c")
        )]
        static REGISTRATION: ::delay::__private::Registration = ::delay::__private::Registration {
            function: "app/src/mail.rs:invoice",
            aliases: &[
                "app/src/old.rs:invoice",
                "billing/src/mail.rs:invoice",
                "global:invoice",
            ],
            place: ::delay::__private::Place::new("app", "0.1.0", "src/mail.rs", 12),
            known_path: true,
            parameters: &["order: Order"],
            states: &[],
            options: ::delay::__private::Options {
                queue: "mail",
                priority: -3,
                retry: ::core::option::Option::Some(::delay::Retry {
                    limit: ::core::option::Option::Some(5),
                    age_limit: ::core::option::Option::Some(
                        ::core::time::Duration::from_secs(172800),
                    ),
                    min_backoff: ::core::time::Duration::from_millis(1500),
                    max_backoff: ::core::time::Duration::from_secs(3600),
                    max_doublings: 4,
                    ..::delay::Retry::DEFAULT
                }),
                timeout: ::core::option::Option::Some(
                    ::core::time::Duration::from_secs(120),
                ),
                keep_result: ::core::option::Option::Some(
                    ::core::time::Duration::from_secs(86400),
                ),
                ..::delay::__private::Options::DEFAULT
            },
            start: |ctx, mut arguments| {
                arguments.ignore("currency");
                arguments.ignore("vat");
                let order = arguments.required::<Order>("order")?;
                let attempt = ::delay::__private::Attempt::future(async move {
                    ::delay::__private::Returned::keep_result(invoice(&ctx, order).await)
                });
                arguments.finish().map(|()| attempt)
            },
        };
        &REGISTRATION
    }
}
::delay::__private::inventory::submit! {
    ::delay::__private::Entry(< Invoice as ::delay::Function > ::registration)
}
