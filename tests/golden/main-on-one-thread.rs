#[delay::main(flavor = "current_thread")]
async fn main() {
    work().await;
}
