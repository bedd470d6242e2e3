//! `#[delay::main]` keeps the body's own return type, and may be on a function of any name.

#[delay::main(flavor = "current_thread")]
async fn other() -> Result<u32, std::num::ParseIntError> {
    let number = "7".parse::<u32>()?;
    tokio::task::yield_now().await;
    Ok(number)
}

#[delay::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    assert_eq!(std::thread::spawn(other).join().unwrap()?, 7);
    Ok(())
}
