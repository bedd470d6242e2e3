/// Says hello.
#[delay::func("greet")]
#[allow(clippy::print_stdout)]
pub static GREET: _ = async |ctx: &Context, name: String| -> Result<(), MailError> {
    println!("hello, {name}");
    Ok(())
};
