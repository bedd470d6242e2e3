//! A worker without any function: starts and says why it cannot.

#[tokio::main(flavor = "current_thread")]
async fn main() -> delay::Result<()> {
    let rt = delay::Runtime::open("memory:").await?;
    let error = rt.start().await.expect_err("there is nothing to run");
    println!("{} {error}", error.is_no_functions());
    Ok(())
}
