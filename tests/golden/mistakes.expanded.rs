async fn broken(ctx: &Context, name: Option<&str>, count: u32) -> Result<(), MailError> {
    Ok(())
}
/// Queues calls of [`broken()`].
struct Broken;
impl Broken {
    /// Queues one call of [`broken()`]; it is stored durably when this returns.
    async fn call(
        ctx: impl ::delay::Enqueue,
        name: Option<&str>,
        count: u32,
    ) -> ::delay::Result<::delay::Handle<()>> {
        ::core::unreachable!()
    }
    /// A call of [`broken()`] whose options can be set before it is added.
    fn task(name: Option<&str>, count: u32) -> ::delay::TaskBuilder<()> {
        ::core::unreachable!()
    }
}
impl ::delay::Function for Broken {
    type Value = ();
    #[allow(unused)]
    fn registration() -> &'static ::delay::__private::Registration {
        ::core::unreachable!()
    }
}
::core::compile_error! {
    "`#[delay::func]` has no word `quue`, did you mean `queue`? There are: `global`, `queue`, `priority`, `retry`, `timeout`, `keep_result`, `isolate`, `memory`, `cpu`, `cron`, `time_zone`, `aliases`, `removed`, `crate`"
}
::core::compile_error! {
    "`soon` is not a duration: expected number at 0; write a number and a unit, such as \"500ms\", \"90s\", \"2m\", \"1h 30m\" or \"2d\""
}
::core::compile_error! {
    "`#[defualt]` is nothing: did you mean `#[default]`?"
}
::core::compile_error! {
    "a stored value owns its data: use `String`, `Vec<…>` or the plain type here"
}
struct Shape;
::core::compile_error! {
    "`#[delay::func]` goes on a function, `async fn welcome(ctx: &Context, …)`, or on a `static` that holds a closure"
}
