#[delay::main]
async fn main() -> delay::Result<()> {
    delay::Runtime::open("sqlite:jobs.db").await?.run().await
}
